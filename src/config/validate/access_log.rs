//! `[access_log]`: what requests leave in writing.

use http::HeaderName;

use super::check::Check;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{AccessLog, AccessLogTarget, Rotation};
use crate::telemetry::access_line::FIELDS;

pub fn access_log(
    access_log: schema::AccessLog,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<AccessLog> {
    let schema::AccessLog {
        target,
        queue_lines,
        rotate,
        fields,
        request_headers,
        response_headers,
        mask_headers,
        mask_query,
        sample_2xx,
        user_id,
    } = access_log;
    let target = match target {
        schema::AccessLogTarget::Off => AccessLogTarget::Off,
        schema::AccessLogTarget::Stdout => AccessLogTarget::Stdout,
        schema::AccessLogTarget::File(path) => {
            AccessLogTarget::File(check.path(&at.key("target").key("file"), &path))
        }
    };
    let queue_lines = check.number(&at.key("queue_lines"), queue_lines, 1, 1 << 20) as usize;
    for (index, field) in fields.iter().enumerate() {
        if !FIELDS.contains(&field.as_str()) {
            let at = at.key("fields").index(index);
            check.unknown(&at, "is no field of the access log", field, FIELDS.to_vec());
        }
    }
    if !(0.0..=1.0).contains(&sample_2xx) {
        check.refuse(&at.key("sample_2xx"), "is out of range", "0.0 to 1.0");
    }
    let user_id = user_id.and_then(|schema::UserId::Header(name)| {
        header(&name, &at.key("user_id").key("header"), check)
    });
    let rotate = rotate.map(|rotate| rotation(rotate, &at.key("rotate"), check));
    Some(AccessLog {
        target,
        queue_lines,
        rotate,
        fields,
        request_headers: headers(&request_headers, &at.key("request_headers"), check),
        response_headers: headers(&response_headers, &at.key("response_headers"), check),
        mask_headers: headers(&mask_headers, &at.key("mask_headers"), check),
        mask_query,
        sample_2xx,
        user_id,
    })
}

/// When a file is begun anew.
pub fn rotation(rotate: schema::Rotate, at: &KeyPath, check: &mut Check<'_>) -> Rotation {
    let schema::Rotate { size, keep } = rotate;
    Rotation {
        size_bytes: check.size(&at.key("size"), size, 1 << 10, 1 << 40),
        keep: check.number(&at.key("keep"), keep, 1, 1000),
    }
}

fn headers(names: &[String], at: &KeyPath, check: &mut Check<'_>) -> Vec<HeaderName> {
    let names = names.iter().enumerate();
    names.filter_map(|(index, name)| header(name, &at.index(index), check)).collect()
}

fn header(name: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<HeaderName> {
    let made = HeaderName::from_bytes(name.as_bytes());
    made.map_err(|_| check.wrong(at, "is no header name")).ok()
}
