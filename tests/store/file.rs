//! What the file alone promises: it outlives the process, is its owner's, can be copied and put back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proconsul::store::{AuditFilter, NewestFirst, Sqlite, Store, StoreError, Write, restore};

use super::samples::*;

async fn open(place: &Path) -> Sqlite {
    Sqlite::open(place, Duration::ZERO).await.unwrap()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state/registry.db");
    (folder, place)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_process_that_does_not_close_it() {
    let (folder, place) = place();
    let store = open(&place).await;
    store.commit(&[Write::PutInstance(instance("web", "a"))]).await.unwrap();
    // What a killed process leaves is the files as they are now.
    let left = folder.path().join("left");
    fs::create_dir(&left).unwrap();
    for entry in fs::read_dir(place.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), left.join(entry.file_name())).unwrap();
    }
    let ground = open(&left.join("registry.db")).await.load().await.unwrap();
    assert_eq!(ground.instances, [instance("web", "a")]);
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let (_folder, place) = place();
    let store = open(&place).await;
    let twice = [
        Write::PutInstance(instance("web", "a")),
        Write::AppendAudit(audit(7, "ann", "x")),
        Write::AppendAudit(audit(7, "ann", "x")),
    ];
    let refused = store.commit(&twice).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable { .. }), "{refused}");
    assert_eq!(store.load().await.unwrap().instances, []);
    store.commit(&twice[..2]).await.expect("the store works on");
    assert_eq!(
        store
            .audit(&AuditFilter::default(), NewestFirst { before: None, limit: 9 })
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_file_is_its_owners() {
    let (_folder, place) = place();
    let store = open(&place).await;
    store.commit(&[Write::PutSubscription(subscription("one"))]).await.unwrap();
    assert_eq!(mode(place.parent().unwrap()), 0o700);
    for entry in fs::read_dir(place.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn one_process_at_a_time() {
    let (_folder, place) = place();
    let store = open(&place).await;
    let second = Sqlite::open(&place, Duration::from_millis(30)).await.unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    let waiting = tokio::spawn({
        let place = place.clone();
        async move { Sqlite::open(&place, Duration::from_secs(20)).await }
    });
    tokio::task::yield_now().await;
    store.close().await;
    drop(store);
    waiting.await.unwrap().expect("it is free now");
}

#[tokio::test]
async fn a_backup_is_made_in_use_and_put_back_at_rest() {
    let (folder, place) = place();
    let store = open(&place).await;
    let batch = [Write::PutService(service("web")), Write::PutInstance(instance("web", "a"))];
    store.commit(&batch).await.unwrap();
    let backup = folder.path().join("backup.db");
    store.backup(&backup).await.unwrap();
    assert_eq!(mode(&backup), 0o600);
    let again = store.backup(&backup).await.unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    store.commit(&[Write::PutInstance(instance("web", "later"))]).await.unwrap();

    let held = restore(&backup, &place).await.unwrap_err();
    assert!(matches!(held, StoreError::InUse { .. }), "{held}");
    store.close().await;
    drop(store);
    let contents = restore(&backup, &place).await.unwrap();
    assert_eq!((contents.services, contents.instances), (1, 1));
    assert_eq!(mode(&place), 0o600);
    assert_eq!(open(&place).await.load().await.unwrap().instances, [instance("web", "a")]);
    let before = open(&contents.before.unwrap()).await.load().await.unwrap();
    assert_eq!(before.instances.len(), 2, "what was there is kept");
}

#[tokio::test]
async fn a_backup_that_is_none_is_refused_and_nothing_changes() {
    let (folder, place) = place();
    let store = open(&place).await;
    store.commit(&[Write::PutInstance(instance("web", "a"))]).await.unwrap();
    let good = folder.path().join("good.db");
    store.backup(&good).await.unwrap();
    store.close().await;
    drop(store);

    let bad = folder.path().join("bad.db");
    let whole = fs::read(&good).unwrap();
    let mut damaged = whole.clone();
    damaged[5000..9000].fill(0xa5);
    for (what, bytes) in [
        ("no database", b"hello, I am a text file and no database at all".to_vec()),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("damaged", damaged),
        ("empty", Vec::new()),
    ] {
        fs::write(&bad, bytes).unwrap();
        let refused = restore(&bad, &place).await.unwrap_err();
        assert!(refused.to_string().contains("bad.db cannot be used"), "{what}: {refused}");
    }
    let missing = restore(&folder.path().join("none.db"), &place).await.unwrap_err();
    assert!(missing.to_string().contains("none.db"), "{missing}");
    assert_eq!(open(&place).await.load().await.unwrap().instances, [instance("web", "a")]);
    let left = fs::read_dir(place.parent().unwrap()).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("restor")), "{names:?}");
}

#[tokio::test]
async fn a_damaged_store_says_so_and_what_to_do() {
    let (_folder, place) = place();
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, [0x5a; 8192]).unwrap();
    let refused = Sqlite::open(&place, Duration::ZERO).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("registry restore"), "{refused}");
}

#[tokio::test]
async fn a_store_of_a_later_version_is_left_alone() {
    let (_folder, place) = place();
    open(&place).await.close().await;
    let url = format!("sqlite://{}", place.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES (99, 'later', TRUE, x'00', 0)";
    sqlx::query(later).execute(&pool).await.unwrap();
    pool.close().await;
    let refused = Sqlite::open(&place, Duration::ZERO).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 99, .. }), "{refused}");
}

#[tokio::test]
async fn a_row_that_says_nonsense_is_named() {
    let (_folder, place) = place();
    let store = open(&place).await;
    store.commit(&[Write::PutInstance(instance("web", "a"))]).await.unwrap();
    store.close().await;
    drop(store);
    let url = format!("sqlite://{}", place.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let nonsense = "UPDATE instance SET duty = 'asleep'";
    sqlx::query(nonsense).execute(&pool).await.unwrap();
    pool.close().await;
    let refused = open(&place).await.load().await.unwrap_err().to_string();
    assert!(refused.contains("unreadable instance: its duty is `asleep`"), "{refused}");
}
