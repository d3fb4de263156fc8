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
    lifecycle::Lifecycle,
    proto::{self, apps_server, recorder_server},
};

/// What has a status of its own: the server as a whole and each service.
const SERVICES: [&str; 3] = ["", recorder_server::SERVICE_NAME, apps_server::SERVICE_NAME];
/// How often readiness is looked at for those who watch.
const TICK: Duration = Duration::from_millis(250);

/// The health service. A task of `lifecycle` follows `probe` until the stop; then all serve no
/// more and every watch ends, so that it holds nobody up.
pub async fn health(probe: Probe, lifecycle: &Lifecycle) -> HealthServer<HealthService> {
    let reporter = HealthReporter::new();
    report(&reporter, ServingStatus::NotServing).await;
    let service = HealthService::from_health_reporter(reporter.clone());
    lifecycle.spawn(follow(reporter, probe, lifecycle.clone()));
    HealthServer::new(service)
}

async fn follow(mut reporter: HealthReporter, probe: Probe, lifecycle: Lifecycle) {
    let mut told = false;
    let mut phases = lifecycle.watch();
    while !lifecycle.stopping().is_cancelled() {
        let (_, seen) = look(&probe, &lifecycle);
        if seen.ready != told {
            told = seen.ready;
            let status = if told {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            report(&reporter, status).await;
        }
        tokio::select! {
            () = lifecycle.stopping().cancelled() => {}
            _ = phases.changed() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    report(&reporter, ServingStatus::NotServing).await;
    for service in SERVICES {
        // Its watchers are told the last status and then end; who asks later gets a new entry.
        reporter.clear_service_status(service).await;
    }
    report(&reporter, ServingStatus::NotServing).await;
}

async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
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
