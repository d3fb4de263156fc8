//! `grpc.health.v1` and reflection.

use std::time::Duration;

use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tonic_reflection::server::{Builder, Error, v1, v1alpha};

use super::health::{Probe, look};
use crate::{
    lifecycle::{Lifecycle, Phase},
    proto::{self, apps_server, history_server, recorder_server},
};

/// What serves while an event sent now will be kept: the server as a whole and the way in.
const READY: [&str; 3] = ["", recorder_server::SERVICE_NAME, apps_server::SERVICE_NAME];
/// What serves while the database answers.
const ANSWERING: [&str; 1] = [history_server::SERVICE_NAME];
/// How often readiness is looked at for those who watch.
const TICK: Duration = Duration::from_millis(250);

/// The health service. A task of `lifecycle` follows `probe` until the stop; then all serve no
/// more and every watch ends, so that it holds nobody up.
pub async fn health(probe: Probe, lifecycle: &Lifecycle) -> HealthServer<HealthService> {
    let reporter = HealthReporter::new();
    report(&reporter, &READY, false).await;
    report(&reporter, &ANSWERING, false).await;
    let service = HealthService::from_health_reporter(reporter.clone());
    lifecycle.spawn(follow(reporter, probe, lifecycle.clone()));
    HealthServer::new(service)
}

async fn follow(mut reporter: HealthReporter, probe: Probe, lifecycle: Lifecycle) {
    let mut told = (false, false);
    let mut phases = lifecycle.watch();
    while !lifecycle.stopping().is_cancelled() {
        let (phase, seen) = look(&probe, &lifecycle);
        let now = (seen.ready, phase == Phase::Ready && seen.database == "up");
        if now.0 != told.0 {
            report(&reporter, &READY, now.0).await;
        }
        if now.1 != told.1 {
            report(&reporter, &ANSWERING, now.1).await;
        }
        told = now;
        tokio::select! {
            () = lifecycle.stopping().cancelled() => {}
            _ = phases.changed() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    for services in [&READY[..], &ANSWERING] {
        report(&reporter, services, false).await;
        for service in services {
            // Its watchers are told the last status and then end; who asks later gets a new entry.
            reporter.clear_service_status(service).await;
        }
        report(&reporter, services, false).await;
    }
}

async fn report(reporter: &HealthReporter, services: &[&str], serving: bool) {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in services {
        reporter.set_service_status(service, status).await;
    }
}

/// gRPC reflection of everything served here, in its two versions: old clients ask for `v1alpha`.
///
/// # Errors
/// When the descriptors that were compiled in cannot be read: a defect.
pub fn reflection() -> Result<
    (
        v1::ServerReflectionServer<impl v1::ServerReflection>,
        v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>,
    ),
    Error,
> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok((builder().build_v1()?, builder().build_v1alpha()?))
}
