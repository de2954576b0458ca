//! What is registered, backed up while the proxy runs, and put back while it does not.

use rustix::process::Signal;
use serde_json::json;

use super::admin_api::{ask, open_mesh, register};
use crate::mesh::Mesh;
use crate::mesh::command::command;
use crate::mesh::wait::eventually;

const STORE: &str = "[registry]\nstore = { file = \"state/registry.db\" }\n";

#[tokio::test]
async fn a_backup_is_put_back_and_served_from_and_the_audit_log_tells_who_made_it() {
    let mut mesh = open_mesh(STORE).start().await;
    let admin = format!("http://{}", mesh.admin);
    register(&mesh, "kept", json!({ "weight": 7 })).await;
    let service = json!({ "owner": "team-a" });
    assert!(ask(&mesh, "PUT", "/v1/services/web", Some(service)).await.status < 300);
    let made = command(&["registry", "backup", "good.db", "--admin", &admin]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let again = command(&["registry", "backup", "good.db", "--admin", &admin]).await;
    assert!(again.code != 0 && again.stderr.contains("there already"), "{again:?}");
    let record = eventually("the audit record", || async {
        let page = ask(&mesh, "GET", "/v1/audit?action=backup.write", None).await.json();
        page["items"][0].is_object().then(|| page["items"][0].clone())
    })
    .await;
    assert!(record["subject"].as_str().unwrap().ends_with("state/good.db"), "{record}");
    assert!(record["after"]["bytes"].as_u64().unwrap() > 0, "{record}");

    // What happens after the backup is not in it.
    let forgotten = ask(&mesh, "DELETE", "/v1/services/web", None).await.status;
    assert!((200..300).contains(&forgotten), "{forgotten}");
    let bare = ask(&mesh, "GET", "/v1/services/web", None).await;
    assert_eq!(bare.status, 200, "it has an instance: only its description is forgotten");
    assert_ne!(bare.json()["owner"], "team-a");
    ask(&mesh, "DELETE", "/v1/services/web/instances/kept", None).await;
    eventually("the instance to be gone", || async {
        let gone = ask(&mesh, "GET", "/v1/services/web/instances/kept", None).await;
        (gone.status == 404).then_some(())
    })
    .await;
    assert_eq!(ask(&mesh, "GET", "/v1/services/web", None).await.status, 404);

    let (backup, config) = (mesh.path("state/good.db"), mesh.config_path());
    let restore =
        ["registry", "restore", backup.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let busy = command(&restore).await;
    assert!(busy.code != 0, "a proxy uses it: {busy:?}");
    assert!(busy.stderr.contains("in use by another process"), "{busy:?}");
    let second = Mesh::with("[registry]\nstore = { file = \"@store\" }\n")
        .at("store", mesh.path("state/registry.db").display());
    let refused = command(&["run", second.write().to_str().unwrap()]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("`[registry] store = { file = \"..\" }`"), "{refused:?}");
    mesh.signal(Signal::INT);
    mesh.ended().await;
    let done = command(&restore).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("1 services, 1 instances"), "{done:?}");
    mesh.start_again().await;
    let kept = ask(&mesh, "GET", "/v1/services/web/instances/kept", None).await.json();
    assert_eq!(kept["weight"], 7, "{kept}");
    assert_eq!(ask(&mesh, "GET", "/v1/services/web", None).await.json()["owner"], "team-a");
}
