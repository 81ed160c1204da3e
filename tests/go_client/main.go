// Command client calls a crossfade server by the generated stubs and prints what it was told, as JSON: a proof that the
// protocol is enough for another language.
//
//	client ADDRESS MODEL COLLECTION TEXT...
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "crossfade.test/client/crossfadev1"
)

type embedded struct {
	ID          uint64      `json:"id"`
	Vectors     [][]float32 `json:"vectors"`
	Fingerprint string      `json:"fingerprint"`
	TokenCounts []uint32    `json:"token_counts"`
	Truncated   []bool      `json:"truncated"`
}

type hit struct {
	ID    string  `json:"id"`
	Score float32 `json:"score"`
	Text  string  `json:"text"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

type answers struct {
	Models  []*pb.Model `json:"models"`
	Embed   embedded    `json:"embed"`
	Search  [][]hit     `json:"search"`
	Stream  []embedded  `json:"stream"`
	Refusal failure     `json:"refusal"`
}

func rows(vectors *pb.Vectors) [][]float32 {
	all := make([][]float32, vectors.Count)
	for row := range all {
		all[row] = make([]float32, vectors.Dimension)
		for i := range all[row] {
			at := 4 * (row*int(vectors.Dimension) + i)
			all[row][i] = math.Float32frombits(binary.LittleEndian.Uint32(vectors.Data[at:]))
		}
	}
	return all
}

func read(id uint64, answer *pb.EmbedResponse) embedded {
	return embedded{id, rows(answer.Vectors), answer.Fingerprint, answer.TokenCounts, answer.Truncated}
}

// One batch a text, all sent before the first answer is read.
func stream(ctx context.Context, client pb.EmbeddingServiceClient, model string, texts []string) ([]embedded, error) {
	call, err := client.EmbedStream(ctx)
	if err != nil {
		return nil, err
	}
	for number, text := range texts {
		request := &pb.EmbedRequest{Model: model, InputType: pb.InputType_INPUT_TYPE_DOCUMENT, Texts: []string{text}}
		if err := call.Send(&pb.EmbedStreamRequest{Id: uint64(number), Request: request}); err != nil {
			return nil, err
		}
	}
	if err := call.CloseSend(); err != nil {
		return nil, err
	}
	var all []embedded
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if answer.GetResponse() == nil {
			return nil, fmt.Errorf("batch %d: %s", answer.Id, answer.GetFailure().GetMessage())
		}
		all = append(all, read(answer.Id, answer.GetResponse()))
	}
}

func ask(address, model, collection string, texts []string) (*answers, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var told answers

	listed, err := pb.NewModelServiceClient(connection).ListModels(ctx, &pb.ListModelsRequest{})
	if err != nil {
		return nil, err
	}
	told.Models = listed.Models

	embedding := pb.NewEmbeddingServiceClient(connection)
	request := &pb.EmbedRequest{Model: model, InputType: pb.InputType_INPUT_TYPE_QUERY, Texts: texts}
	answer, err := embedding.Embed(ctx, request)
	if err != nil {
		return nil, err
	}
	told.Embed = read(0, answer)

	found, err := pb.NewCollectionServiceClient(connection).Search(ctx, &pb.SearchRequest{
		Collection: collection, Model: model, Texts: texts, K: 3, WithDocuments: true,
	})
	if err != nil {
		return nil, err
	}
	for _, result := range found.Results {
		var hits []hit
		for _, one := range result.Hits {
			hits = append(hits, hit{one.Id, one.Score, one.GetDocument().GetText()})
		}
		told.Search = append(told.Search, hits)
	}

	if told.Stream, err = stream(ctx, embedding, model, texts); err != nil {
		return nil, err
	}

	var trailer metadata.MD
	_, err = embedding.Embed(ctx, &pb.EmbedRequest{Model: "nope"}, grpc.Trailer(&trailer))
	told.Refusal = failure{Code: status.Code(err).String(), Message: status.Convert(err).Message()}
	if names := trailer.Get("crossfade-error"); len(names) > 0 {
		told.Refusal.Error = names[0]
	}
	return &told, nil
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: client ADDRESS MODEL COLLECTION TEXT...")
		os.Exit(2)
	}
	told, err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
