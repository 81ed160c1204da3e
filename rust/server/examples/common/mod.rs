//! What the examples that call a server share.

use bytes::{BufMut, Bytes, BytesMut};
use crossfade_server::proto::crossfade::v1::{EmbedRequest, InputType};
use h2::client::SendRequest;
use prost::Message;
use tokio::net::TcpStream;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// An Embed of one text, as it is sent.
pub(crate) fn request(model: &str, text: String) -> Bytes {
    let request = EmbedRequest {
        model: model.to_owned(),
        input_type: InputType::Query as i32,
        texts: vec![text],
        ..EmbedRequest::default()
    };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(request.encoded_len() as u32);
    framed.put_slice(&request.encode_to_vec());
    framed.freeze()
}

/// One connection; it is served by a task of its own.
pub(crate) async fn connect(address: &str) -> Result<SendRequest<Bytes>, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 22);
    let (client, connection) = builder.handshake::<_, Bytes>(stream).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// One call; the gRPC status that it ends with. `timeout`: as `grpc-timeout` has it.
pub(crate) async fn call(
    client: &SendRequest<Bytes>,
    uri: &http::Uri,
    body: Bytes,
    timeout: Option<&str>,
) -> Result<u8, Error> {
    Ok(exchange(client, uri, body, timeout).await?.0)
}

/// One call; the status that it ends with, and all that was answered, framed.
pub(crate) async fn exchange(
    client: &SendRequest<Bytes>,
    uri: &http::Uri,
    body: Bytes,
    timeout: Option<&str>,
) -> Result<(u8, Bytes), Error> {
    let mut head = http::Request::post(uri.clone()).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(timeout) = timeout {
        head = head.header("grpc-timeout", timeout);
    }
    let mut client = client.clone().ready().await?;
    let (response, mut sender) = client.send_request(head.body(())?, false)?;
    // A call that is refused at once may be over before its message is sent: the response says why.
    let _ = sender.send_data(body, true);
    let response = response.await?;
    let status = |headers: &http::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    // A call that fails may have nothing but headers.
    if let Some(status) = status(response.headers()) {
        return Ok((status, Bytes::new()));
    }
    let (mut response, mut answer) = (response.into_body(), BytesMut::new());
    while let Some(data) = response.data().await {
        let data = data?;
        response.flow_control().release_capacity(data.len())?;
        answer.put(data);
    }
    let trailers = response.trailers().await?.ok_or("no trailers")?;
    Ok((status(&trailers).ok_or("no status")?, answer.freeze()))
}

/// Of sorted numbers, the one that so many thousandths are below; 0 of none.
pub(crate) fn percentile(sorted: &[u128], thousandths: usize) -> u128 {
    sorted.get((sorted.len() * thousandths / 1000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}
