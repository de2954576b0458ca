//! `[access_log]`: what requests leave in writing.

use std::time::Duration;

use http::HeaderName;

use super::check::{Check, DAY};
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{AccessLog, AccessLogTarget, Choice, Period, Rotation, UserId};
use crate::telemetry::access_line::FIELDS;

const MINUTE: Duration = Duration::from_secs(60);

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
    let user_id = user_id.and_then(|user_id| self::user_id(user_id, &at.key("user_id"), check));
    let rotate = rotate.map(|rotate| rotation(rotate, &at.key("rotate"), check));
    Some(AccessLog {
        target,
        queue_lines,
        rotate,
        line: Choice {
            fields,
            request_headers: headers(&request_headers, &at.key("request_headers"), check),
            response_headers: headers(&response_headers, &at.key("response_headers"), check),
            mask_headers: headers(&mask_headers, &at.key("mask_headers"), check),
            mask_query,
            sample_2xx,
            user_id,
        },
    })
}

fn user_id(user_id: schema::UserId, at: &KeyPath, check: &mut Check<'_>) -> Option<UserId> {
    match user_id {
        schema::UserId::Header(name) => header(&name, &at.key("header"), check).map(UserId::Header),
        schema::UserId::JwtClaim(claim) => {
            if claim.is_empty() {
                check.wrong(&at.key("jwt_claim"), "is no claim");
            }
            Some(UserId::JwtClaim(claim))
        }
    }
}

/// When a file is begun anew.
pub fn rotation(rotate: schema::Rotate, at: &KeyPath, check: &mut Check<'_>) -> Rotation {
    let schema::Rotate { size, every, keep, max_age } = rotate;
    if size.is_none() && every.is_none() {
        check.lacks(at, "says nothing of when: it needs a `size`, or `every`");
    }
    Rotation {
        size_bytes: size.map(|size| check.size(&at.key("size"), size, 1 << 10, 1 << 40)),
        every: every.map(|every| match every {
            schema::Period::Hourly => Period::Hour,
            schema::Period::Daily => Period::Day,
        }),
        keep: check.number(&at.key("keep"), keep, 1, 1000),
        max_age: max_age.map(|age| check.time(&at.key("max_age"), age, MINUTE, 3650 * DAY)),
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
