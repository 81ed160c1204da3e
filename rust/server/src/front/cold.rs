//! The calls that Python answers: checked that they can be read, then handed over as they are.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Front;
use super::framing::{Answer, Received};
use crate::executor::Call;
use crate::failure::Failure;
use crate::proto::crossfade::v1::{
    CreateCollectionRequest, CreateIndexRequest, DeleteCollectionRequest, DeleteRequest, DropAliasRequest,
    DropIndexRequest, FillIndexRequest, ListAliasesRequest, ListCollectionsRequest, ListModelsRequest, MeasureRequest,
    SetAliasRequest, SetCurrentIndexRequest, UpsertRequest,
};
use crate::schema;

/// A cold method: whether its request can be read, and whether answering it takes long. What only looks something up
/// never waits for what computes.
struct Method {
    path: &'static str,
    readable: fn(&str, &Bytes) -> Result<(), Failure>,
    computes: bool,
    /// The fields that hold what a call has many of, and what that is.
    many: &'static [(u64, &'static str)],
}

fn readable<M: prost::Message + Default>(path: &str, data: &Bytes) -> Result<(), Failure> {
    schema::decode::<M>(path, data).map(drop)
}

const METHODS: [Method; 14] = [
    Method {
        path: "/crossfade.v1.CollectionService/CreateCollection",
        readable: readable::<CreateCollectionRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/ListCollections",
        readable: readable::<ListCollectionsRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/DeleteCollection",
        readable: readable::<DeleteCollectionRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/Upsert",
        readable: readable::<UpsertRequest>,
        computes: true,
        many: &[(2, "documents"), (9, "also_vectors")],
    },
    Method {
        path: "/crossfade.v1.CollectionService/Delete",
        readable: readable::<DeleteRequest>,
        computes: true,
        many: &[(2, "ids")],
    },
    Method {
        path: "/crossfade.v1.CollectionService/CreateIndex",
        readable: readable::<CreateIndexRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/DropIndex",
        readable: readable::<DropIndexRequest>,
        computes: true,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/FillIndex",
        readable: readable::<FillIndexRequest>,
        computes: true,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/SetCurrentIndex",
        readable: readable::<SetCurrentIndexRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/SetAlias",
        readable: readable::<SetAliasRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/DropAlias",
        readable: readable::<DropAliasRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.CollectionService/ListAliases",
        readable: readable::<ListAliasesRequest>,
        computes: false,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.EvaluationService/Measure",
        readable: readable::<MeasureRequest>,
        computes: true,
        many: &[],
    },
    Method {
        path: "/crossfade.v1.ModelService/ListModels",
        readable: readable::<ListModelsRequest>,
        computes: false,
        many: &[],
    },
];

/// The path of a method that Python answers, for as long as the program runs.
pub(super) fn path(path: &str) -> Option<&'static str> {
    METHODS.iter().map(|method| method.path).find(|known| *known == path)
}

impl Front {
    pub(super) async fn cold(&self, path: &str, message: Received, call: &Arc<Call>) -> Result<Answer, Failure> {
        let Some(method) = METHODS.iter().find(|method| method.path == path) else {
            return Err(Failure::invalid(format!("there is no method {path}")));
        };
        for &(field, what) in method.many {
            self.few(&message.data, field, what)?;
        }
        (method.readable)(path, &message.data)?;
        let (sender, receiver) = oneshot::channel();
        let (executor, call, path) = (Arc::clone(&self.executor), Arc::clone(call), method.path);
        let workers = if method.computes { &self.compute } else { &self.control };
        workers.run(move || {
            let answer = call.check().and_then(|()| executor.answer(path, message.data.clone(), &call));
            // Until now its bytes count, whoever has left.
            drop(message);
            // Nobody hears it when the caller has gone.
            let _ = sender.send(answer);
        });
        receiver.await.unwrap_or_else(|_| Err(Failure::stopping())).map(Answer::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_methods_are_in_the_files() {
        assert!(METHODS.iter().all(|method| schema::has_method(method.path)));
    }

    #[test]
    fn every_method_in_the_files_is_answered() {
        for path in schema::methods().filter(|path| path.starts_with("/crossfade.")) {
            assert!(crate::front::known(path).is_some(), "{path} is in no table: add it here, or answer it in Rust");
        }
    }
}
