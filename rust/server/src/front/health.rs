//! gRPC's health checking: of the server, of each service, of each model.

use std::sync::Arc;

use tokio::sync::Notify;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::engine::Engine;
use crate::schema;

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

/// Follow the models' health until this is dropped.
pub(super) async fn follow(reporter: HealthReporter, engine: Arc<Engine>) {
    let news = Arc::new(Notify::new());
    let told = Arc::clone(&news);
    engine.on_health(move || told.notify_one());
    loop {
        news.notified().await;
        models(&reporter, &engine).await;
    }
}
