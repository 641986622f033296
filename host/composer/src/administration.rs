//! What the subcommands for administrators say. They read the database that the settings name, whether the service runs or not, and
//! say it as tables or as JSON.
use crate::config::Config;
use crate::server;
use crate::service::Service;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use osbuild_wasm_jobs::{JobId, State};
use serde_json::{Value, json};
use std::error::Error;
use std::os::unix::net::UnixStream;

/// The result of a subcommand: what it says, as a text and as a document.
pub type Said = Result<(String, Value), Box<dyn Error>>;

/// The service over what is there: where there was none, to look at it makes none; and the database stays as a service of another version
/// has it. Directories that a service would make are made.
async fn open(config: &Config) -> Result<Service, Box<dyn Error>> {
    let schema = osbuild_wasm_jobs::schema(&config.database).await?;
    let problem = match schema.done {
        0 => {
            "the service has not made its database yet: start it, or name its settings by --config, --state or --database"
        }
        done if done < schema.known => {
            "the database is of an older version: stop the service, and run `osbuild-wasm-composer migrate`"
        }
        _ => return server::open(config).await,
    };
    Err(problem.into())
}

/// Whether the service is up, and how its queue, its workers and its files stand.
///
/// # Errors
/// The database or files cannot be read.
pub async fn status(config: &Config) -> Said {
    let service = open(config).await?;
    let (overview, now) = (service.overview().await?, service.now());
    let up = UnixStream::connect(&config.weldr_socket).is_ok();
    let number = |state| -> u64 {
        let jobs = overview.jobs.iter().filter(|count| count.state == state);
        jobs.map(|count| count.number).sum()
    };
    let (pending, running) = (number(State::Pending), number(State::Running));
    let oldest = overview
        .jobs
        .iter()
        .filter(|count| count.state == State::Pending);
    let oldest = oldest.map(|count| count.oldest).min();
    let mut text = table([
        vec!["service".into(), if up { "up" } else { "down" }.into()],
        vec!["pending jobs".into(), pending.to_string()],
        vec!["running jobs".into(), running.to_string()],
        vec!["bytes of composes".into(), overview.bytes.to_string()],
        vec!["workers".into(), overview.workers.len().to_string()],
    ]);
    let workers = overview.workers.iter();
    text.push_str(&table(workers.clone().map(|worker| {
        let silence = now.duration_since(worker.seen).as_secs();
        let id = worker.id.to_string();
        vec![
            "worker".into(),
            id,
            worker.arch.clone(),
            format!("heard of {silence} s ago"),
        ]
    })));
    let workers: Vec<Value> = workers
        .map(|worker| json!({ "id": worker.id.to_string(), "arch": worker.arch, "tenant": worker.channel, "seen": time(worker.seen) }))
        .collect();
    let document = json!({
        "up": up, "pending": pending, "running": running, "oldest_pending": oldest.map(time), "bytes": overview.bytes,
        "workers": workers,
    });
    Ok((text, document))
}

/// The jobs that are not over.
///
/// # Errors
/// The database cannot be read.
pub async fn jobs(config: &Config) -> Said {
    let jobs = open(config).await?.open_jobs().await?;
    let text = table(jobs.iter().map(|job| {
        let id = job.id.to_string();
        vec![
            id,
            job.kind.clone(),
            job.state.as_str().into(),
            time(job.created),
        ]
    }));
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|job| {
            json!({
                "id": job.id.to_string(), "kind": job.kind, "tenant": job.channel, "state": job.state.as_str(),
                "requeues": job.requeues, "created": time(job.created), "started": job.started.map(time),
            })
        })
        .collect();
    Ok((text, jobs.into()))
}

/// A job, without what its worker is told: that may have secrets in it.
///
/// # Errors
/// There is none of that id; the database cannot be read.
pub async fn job(config: &Config, id: JobId) -> Said {
    let job = open(config).await?.job(id).await?;
    let error = job
        .result
        .as_ref()
        .map_or(&Value::Null, |result| &result["job_error"]);
    let ids = |ids: &[JobId]| -> Vec<String> { ids.iter().map(JobId::to_string).collect() };
    Ok(described(json!({
        "id": job.id.to_string(), "kind": job.kind, "tenant": job.channel, "state": job.state.as_str(), "requeues": job.requeues,
        "created": time(job.created), "started": job.started.map(time), "finished": job.finished.map(time),
        "needs": ids(&job.needs), "needed_by": ids(&job.needed_by), "error": error["reason"],
    })))
}

/// Cancels a job.
///
/// # Errors
/// There is none of that id, or it is over; the database cannot be used.
pub async fn cancel(config: &Config, id: JobId) -> Said {
    let canceled = open(config).await?.cancel_job(id).await?;
    if canceled.is_empty() {
        return Err(format!("the job {id} is over").into());
    }
    let ids: Vec<String> = canceled.iter().map(JobId::to_string).collect();
    let text = ids.iter().map(|id| format!("canceled {id}\n")).collect();
    Ok((text, json!({ "canceled": ids })))
}

/// The composes of all tenants.
///
/// # Errors
/// The database cannot be read.
pub async fn composes(config: &Config) -> Said {
    let composes = open(config).await?.all_composes().await?;
    let text = table(composes.iter().map(|(_, compose)| {
        vec![
            compose.id.to_string(),
            compose.state.to_string(),
            compose.blueprint.clone(),
            compose.image_type.clone(),
            time(compose.created),
        ]
    }));
    let composes: Vec<Value> = composes
        .iter()
        .map(|(tenant, compose)| {
            json!({
                "id": compose.id.to_string(), "tenant": tenant, "state": compose.state.to_string(), "blueprint": compose.blueprint,
                "version": compose.version, "image_type": compose.image_type, "created": time(compose.created),
                "started": compose.started.map(time), "finished": compose.finished.map(time),
            })
        })
        .collect();
    Ok((text, composes.into()))
}

/// A compose.
///
/// # Errors
/// There is none of that id; the database or files cannot be read.
pub async fn compose(config: &Config, id: JobId) -> Said {
    let service = open(config).await?;
    let (tenant, compose) = service.anyones_compose(id).await?;
    let files = service.files(&compose).await?.into_iter();
    let files: serde_json::Map<String, Value> =
        files.map(|(name, size)| (name, size.into())).collect();
    Ok(described(json!({
        "id": id.to_string(), "tenant": tenant.channel, "state": compose.state.to_string(), "blueprint": compose.blueprint["name"],
        "version": compose.blueprint["version"], "image_type": compose.image_type, "distro": compose.target.distro,
        "arch": compose.target.arch, "job": compose.job.id.to_string(), "created": time(compose.job.created),
        "started": compose.job.started.map(time), "finished": compose.job.finished.map(time), "files": files,
    })))
}

/// Deletes a compose that is over.
///
/// # Errors
/// There is none of that id, or it is not over; the database cannot be used; files cannot be removed.
pub async fn delete(config: &Config, id: JobId) -> Said {
    let service = open(config).await?;
    let (tenant, _) = service.anyones_compose(id).await?;
    service.delete_compose(&tenant, id).await?;
    Ok((
        format!("deleted {id}\n"),
        json!({ "deleted": [id.to_string()] }),
    ))
}

/// Deletes what the settings do not keep, or only says what that is.
///
/// # Errors
/// The database cannot be used; files cannot be removed.
pub async fn gc(config: &Config, rehearsal: bool) -> Said {
    let service: Service = open(config).await?;
    let gone = service.retire(&config.retention, rehearsal).await?;
    let bytes: u64 = gone.iter().map(|gone| gone.bytes).sum();
    let mut text = table(gone.iter().map(|gone| {
        let (id, size) = (gone.id.to_string(), format!("{} bytes", gone.bytes));
        vec![id, time(gone.finished), size, gone.reason.to_string()]
    }));
    let verb = if rehearsal {
        "would be deleted"
    } else {
        "deleted"
    };
    text.push_str(&format!(
        "{} composes with {bytes} bytes {verb}\n",
        gone.len()
    ));
    let composes: Vec<Value> = gone
        .iter()
        .map(|gone| {
            json!({
                "id": gone.id.to_string(), "tenant": gone.channel, "finished": time(gone.finished), "bytes": gone.bytes,
                "reason": gone.reason.to_string(),
            })
        })
        .collect();
    Ok((
        text,
        json!({ "rehearsal": rehearsal, "bytes": bytes, "composes": composes }),
    ))
}

/// Brings the database to this program's version, or only says how far it is.
///
/// # Errors
/// The database cannot be used; a newer program has used it.
pub async fn migrate(config: &Config, rehearsal: bool) -> Said {
    let before = osbuild_wasm_jobs::schema(&config.database).await?;
    if before.done > before.known {
        return Err("a newer program has used the database: install that one".into());
    }
    if !rehearsal {
        osbuild_wasm_files::resolve::make_private_directory(&config.state)?;
        drop(osbuild_wasm_jobs::open(&config.database, 1).await?);
    }
    let after = osbuild_wasm_jobs::schema(&config.database).await?;
    let text = match (after.done - before.done, after.known - after.done) {
        (0, 0) => format!("the database is at step {}, the last one\n", after.done),
        (0, left) => format!(
            "the database is at step {} of {}: {left} to do\n",
            after.done, after.known
        ),
        (_, _) => format!(
            "the database went from step {} to step {}\n",
            before.done, after.done
        ),
    };
    Ok((
        text,
        json!({ "before": before.done, "after": after.done, "known": after.known }),
    ))
}

/// An object as lines of its members; those that are empty are left out.
fn described(document: Value) -> (String, Value) {
    let members = document.as_object().into_iter().flatten();
    let rows = members.filter_map(|(name, value)| {
        let text = match value {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::Array(list) if list.is_empty() => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(vec![name.clone(), text])
    });
    (table(rows), document)
}

/// Rows as lines without blanks at their ends. No text does something to a terminal.
fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row.iter().map(|cell| cell.escape_debug().to_string()));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.filter(|line| line != "\n").collect()
}

fn time(time: Timestamp) -> String {
    format!("{time:.0}")
}
