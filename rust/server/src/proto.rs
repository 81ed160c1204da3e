//! The messages of `proto/`, made by build.rs.

#![allow(missing_docs, clippy::pedantic, reason = "generated; the .proto files say what they mean")]

/// All files of `proto/` as descriptors.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub mod crossfade {
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/crossfade.v1.rs"));
    }
}

pub mod grpc {
    pub mod channelz {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/grpc.channelz.v1.rs"));
        }
    }
}
