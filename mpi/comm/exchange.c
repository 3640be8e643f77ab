/* Blocks to the learner, weights to everybody. See exchange.h.
 *
 * How many messages a learner waits for is known beforehand: exchange_per_tile() of each tile that
 * another rank simulates and this one learns. Each is a block or, where the simulating rank
 * failed, an error in its place; where not even that can be sent, the job ends. So receiving ends
 * whatever goes wrong, as long as all ranks are there. The order in which messages
 * arrive has no influence: a block says which tile and team it is of. */
#include "mpi/comm/exchange.h"

#include "core/base/frame.h"
#include "core/base/log.h"
#include "proto/error.h"
#include "proto/rollout_block.h"
#include "proto/weights.h"

#include <stdio.h>

void exchange_init(struct exchange *x, struct comm *comm, const struct env_spec *spec,
                   struct learner *const *learners, struct arena *scratch)
{
    *x = (struct exchange){.comm = comm, .spec = spec, .learners = learners, .scratch = scratch};
    buf_init(&x->in);
}

bool exchange_wants(const struct exchange *x, int team)
{
    return team == 0 || learner_learns(x->learners[team]);
}

int exchange_per_tile(const struct exchange *x)
{
    int n = 0;
    for (int k = 0; k < x->spec->n_teams; k++) {
        n += exchange_wants(x, k);
    }
    return n;
}

void exchange_release(struct exchange *x)
{
    buf_release(&x->in);
}

/* The block is copied into the message, so it may be overwritten while the message is under way.
 * After comm_send() `out` is empty; the release is for the case that encoding failed. */
enum err exchange_send_block(struct exchange *x, int learner, const struct block *b)
{
    struct buf out;
    buf_init(&out);
    enum err e = codec_put_block(&out, b, x->spec, x->scratch);
    if (e == ERR_OK) {
        e = comm_send(x->comm, learner, COMM_TAG_TILE, &out);
    }
    buf_release(&out);
    return e;
}

/* The learner waits for this message, so without it the job ends. */
static void send_error(struct exchange *x, int learner, enum err why)
{
    struct buf out;
    buf_init(&out);
    enum err e = codec_put_error(&out, why);
    e = e == ERR_OK ? comm_send(x->comm, learner, COMM_TAG_TILE, &out) : e;
    if (e != ERR_OK) {
        log_error("rank %d cannot be told of this error, and would wait for ever: the job ends",
                  learner);
    }
    comm_must(e);
}

/* `missing` is the number of messages that the learner of the tile still waits for: of the first
 * tile without those that are on their way, of each later tile all. Together with the blocks that
 * were sent, every learner gets exactly the number it expects. Of tiles that this rank learns
 * itself no message is expected. */
void exchange_send_errors(struct exchange *x, const struct owners *o, int first_sim, int sent,
                          enum err why)
{
    const int me = x->comm->rank;
    int sim = 0, missing = exchange_per_tile(x) - sent;
    for (int tile = 0; tile < o->n_tiles; tile++) {
        if (o->sim[tile] != me) {
            continue;
        }
        if (sim++ < first_sim) {
            continue;
        }
        for (int i = 0; i < missing && o->learn[tile] != me; i++) {
            send_error(x, o->learn[tile], why);
        }
        missing = exchange_per_tile(x);
    }
}

/* One message: a block, or the error that stands in its place. The first reader only looks
 * whether it is an error; the second one says in words what is wrong with any other message. The
 * number of the rollout is compared because a block of another one would be a valid message of
 * the right shape. */
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
    TRY(frame_expect(&reader, &f, FRAME_ROLLOUT_BLOCK, CODEC_ROLLOUT_BLOCK_VERSION));
    struct block *b = NULL;
    TRY(codec_get_block(&b, blocks, n, x->spec, f.payload, f.n, source, x->scratch));
    if (b->update != update) {
        log_error("%s: tile %d comes from update %u instead of %u", source, b->tile, b->update,
                  update);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* After an error the remaining messages are taken all the same: one that stayed would be received
 * in the place of a block of a later rollout. The largest error is returned, so the result does not
 * depend on the order of arrival. */
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
static enum err pack_weights(struct buf *message, const struct exchange *x)
{
    for (int k = 0; k < x->spec->n_teams; k++) {
        TRY(codec_put_weights(message, x->learners[k]->w, k));
    }
    return ERR_OK;
}

/* Rank 0 packed the teams in ascending order, so frame k is team k. */
static enum err unpack_weights(struct exchange *x, const struct buf *message)
{
    static const char source[] = "weights from rank 0";
    struct frame_reader reader;
    struct frame f;
    frame_reader_init(&reader, message->data, message->len, source);
    for (int k = 0; k < x->spec->n_teams; k++) {
        TRY(frame_expect(&reader, &f, FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION));
        TRY(codec_get_weights(x->learners[k]->w, k, f.payload, f.n, source, x->scratch));
        learner_refresh(x->learners[k]);
    }
    return ERR_OK;
}

/* The first agreement keeps the other ranks from waiting for a broadcast that rank 0 cannot make;
 * the second one keeps rank 0 from going on when some rank could not use what it received. */
enum err exchange_weights(struct exchange *x)
{
    const bool root = x->comm->rank == 0;
    x->in.len = 0;
    enum err e = root ? pack_weights(&x->in, x) : ERR_OK;
    TRY(comm_agree(x->comm, e));
    TRY(comm_bcast(x->comm, 0, &x->in));
    if (!root) {
        e = unpack_weights(x, &x->in);
    }
    return comm_agree(x->comm, e);
}
