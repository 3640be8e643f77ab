/* Blocks to the learner, weights to everybody. See exchange.h. */
#include "mpi/exchange.h"

#include "core/base/frame.h"
#include "core/base/log.h"
#include "proto/codec.h"

#include <stdio.h>

void exchange_init(struct exchange *x, struct comm *comm, struct team *team, struct arena *scratch)
{
    *x = (struct exchange){.comm = comm, .team = team, .scratch = scratch};
    buf_init(&x->in);
}

void exchange_release(struct exchange *x)
{
    buf_release(&x->in);
}

enum err exchange_send_block(struct exchange *x, int learner, const struct block *b)
{
    struct buf out;
    buf_init(&out);
    enum err e = codec_put_block(&out, b, x->team->spec, x->scratch);
    if (e == ERR_OK) {
        e = comm_send(x->comm, learner, COMM_TAG_TILE, &out);
    }
    buf_release(&out);
    return e;
}

/* Best effort: if even this fails there is nothing left to say. */
static void send_error(struct exchange *x, int learner, enum err why)
{
    struct buf out;
    buf_init(&out);
    if (codec_put_error(&out, why) != ERR_OK ||
        comm_send(x->comm, learner, COMM_TAG_TILE, &out) != ERR_OK) {
        log_error("rank %d cannot be told of this error", learner);
    }
    buf_release(&out);
}

void exchange_send_errors(struct exchange *x, const struct owners *o, int first_sim, enum err why)
{
    const int me = x->comm->rank;
    int sim = 0;
    for (int tile = 0; tile < o->n_tiles; tile++) {
        if (o->sim[tile] != me) {
            continue;
        }
        if (sim++ >= first_sim && o->learn[tile] != me) {
            send_error(x, o->learn[tile], why);
        }
    }
}

/* One message: a block, or the error that stands in its place. */
static enum err take_message(struct exchange *x, struct block *blocks, int n, uint32_t update,
                             enum err *reported, const char *source)
{
    struct frame_reader reader;
    struct frame f;
    frame_reader_init(&reader, x->in.data, x->in.len, source);
    if (frame_next(&reader, &f) == FRAME_OK && f.kind == FRAME_ERROR) {
        return codec_get_error(reported, f.payload, f.n, source, x->scratch);
    }
    frame_reader_init(&reader, x->in.data, x->in.len, source);
    TRY(frame_expect(&reader, &f, FRAME_TRAJECTORY, CODEC_TRAJECTORY_VERSION));
    struct block *b = NULL;
    TRY(codec_get_block(&b, blocks, n, x->team->spec, f.payload, f.n, source, x->scratch));
    if (b->update != update) {
        log_error("%s: tile %d comes from update %u instead of %u", source, b->tile, b->update,
                  update);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

enum err exchange_receive_blocks(struct exchange *x, struct block *blocks, int n, int expected,
                                 uint32_t update)
{
    enum err worst = ERR_OK;
    for (int i = 0; i < expected; i++) {
        int from = 0;
        char source[32];
        TRY(comm_recv(x->comm, COMM_ANY, COMM_TAG_TILE, &x->in, &from));
        snprintf(source, sizeof source, "message from rank %d", from);
        enum err reported = ERR_OK;
        const enum err e = take_message(x, blocks, n, update, &reported, source);
        worst = e > worst ? e : worst;
        worst = reported > worst ? reported : worst;
    }
    return worst;
}

/* Rank 0 puts its weights into `message`; the others get theirs from it. */
static enum err unpack_weights(struct exchange *x, const struct buf *message)
{
    struct frame_reader reader;
    struct frame f;
    frame_reader_init(&reader, message->data, message->len, "weights from rank 0");
    TRY(frame_expect(&reader, &f, FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION));
    return codec_get_weights(x->team, f.payload, f.n, "weights from rank 0", x->scratch);
}

enum err exchange_weights(struct exchange *x)
{
    const bool root = x->comm->rank == 0;
    x->in.len = 0;
    enum err e = root ? codec_put_weights(&x->in, x->team) : ERR_OK;
    TRY(comm_agree(x->comm, e));
    TRY(comm_bcast(x->comm, 0, &x->in));
    if (!root) {
        e = unpack_weights(x, &x->in);
    }
    return comm_agree(x->comm, e);
}
