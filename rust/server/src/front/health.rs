//! gRPC's health checking: of the server, of each service, of each model.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::calls::{Calls, Phase};
use crate::engine::{Engine, InputType, Job};
use crate::schedule::Priority;
use crate::schema;

/// How often a model that fails is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(2);

/// What a model's health is asked for under: `model:NAME`.
const MODEL: &str = "model:";

/// Say of everything that it serves.
pub(super) async fn serving(reporter: &HealthReporter, engine: &Engine) {
    reporter.set_service_status("", ServingStatus::Serving).await;
    for service in schema::services() {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    models(reporter, engine).await;
}

/// Say of each model whether it serves.
async fn models(reporter: &HealthReporter, engine: &Engine) {
    for (name, model) in engine.models() {
        let status = if engine.healthy(model) { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status(format!("{MODEL}{name}"), status).await;
    }
}

/// Say of everything that it serves no more.
pub(super) async fn leaving(reporter: &HealthReporter, engine: &Engine) {
    reporter.set_service_status("", ServingStatus::NotServing).await;
    for service in schema::services() {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
    for name in engine.models().keys() {
        reporter.set_service_status(format!("{MODEL}{name}"), ServingStatus::NotServing).await;
    }
}

/// Follow the models' health until the server drains. A model that fails is tried again and again: a balancer that takes
/// it out sends it nothing that could show that it is well.
pub(super) async fn follow(reporter: HealthReporter, engine: Arc<Engine>, calls: Arc<Calls>) {
    let news = Arc::new(Notify::new());
    let told = Arc::clone(&news);
    engine.on_health(move || told.notify_one());
    loop {
        tokio::select! {
            biased;
            () = calls.until(Phase::Draining) => return,
            () = news.notified() => models(&reporter, &engine).await,
            () = tokio::time::sleep(TRIED_AGAIN) => {
                let failing = engine.models().values().filter(|model| !engine.healthy(model));
                for model in failing {
                    for input_type in [InputType::Query, InputType::Document] {
                        // What becomes of it is told as of any batch.
                        let _ = tokio::time::timeout(TRIED_AGAIN, engine.embed(trial(&model.name, input_type))).await;
                    }
                }
            }
        }
    }
}

fn trial(model: &str, input_type: InputType) -> Job {
    Job {
        model: model.to_owned(),
        input_type,
        prompt: String::new(),
        texts: vec!["a".to_owned()],
        refuse_long: false,
        priority: Priority::Shadow,
        deadline: None,
        waits: true,
    }
}
