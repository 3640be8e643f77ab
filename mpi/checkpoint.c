/* Checkpoints: tiles to rank 0 and into the file, and from the file to everybody.
 *
 * The file's frames are numbered: header, weights, two moments, one for each tile in order, and,
 * where a rollout runs ahead, the weights it acts with. What a frame must be follows from its
 * number alone.
 */
#include "mpi/checkpoint.h"

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "core/base/log.h"
#include "core/marl/replay.h"

#include <inttypes.h>
#include <stdio.h>

enum { AT_HEADER, AT_WEIGHTS, AT_MOMENTS_1, AT_MOMENTS_2, AT_TILES };
enum { PIECE = 1024 * 1024 }; /* frames are written and broadcast together up to about this size */

static int count_tiles(const struct checkpoint *c)
{
    return c->owners->n_tiles;
}

static int count_frames(const struct checkpoint *c)
{
    return AT_TILES + count_tiles(c) + (c->acting != NULL);
}

static const struct frame_rule {
    enum frame_kind kind;
    unsigned version;
} rules[] = {
    [AT_HEADER] = {FRAME_CHECKPOINT, CODEC_CHECKPOINT_VERSION},
    [AT_WEIGHTS] = {FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION},
    [AT_MOMENTS_1] = {FRAME_MOMENTS, CODEC_MOMENTS_VERSION},
    [AT_MOMENTS_2] = {FRAME_MOMENTS, CODEC_MOMENTS_VERSION},
    [AT_TILES] = {FRAME_TILE_STATE, CODEC_TILE_STATE_VERSION},
};

static bool is_acting(const struct checkpoint *c, int frame_i)
{
    return frame_i == AT_TILES + count_tiles(c);
}

static struct frame_rule rule_of(const struct checkpoint *c, int frame_i)
{
    return rules[is_acting(c, frame_i) ? AT_WEIGHTS : frame_i < AT_TILES ? frame_i : AT_TILES];
}

/* ---- writing: what a tile is ---- */

static enum err put_tile(struct buf *out, const struct checkpoint *c, int lid)
{
    uint32_t now[TILE];
    const uint32_t *sums = now;
    if (c->sums != NULL) {
        sums = c->sums[lid];
    } else {
        TRY(replay_checksums(now, &c->tiles[lid], c->scratch));
    }
    return codec_put_tile_state(out, &c->tiles[lid], sums, c->scratch);
}

/* A tile, or the error that stands in its place, to rank 0. */
static enum err send_tile(const struct checkpoint *c, int lid)
{
    struct buf out;
    buf_init(&out);
    enum err e = put_tile(&out, c, lid);
    if (e != ERR_OK) {
        out.len = 0;
        const enum err told = codec_put_error(&out, e);
        e = told == ERR_OK ? e : told;
    }
    const enum err sent = comm_send(c->comm, 0, COMM_TAG_STATE, &out);
    buf_release(&out);
    return e == ERR_OK ? sent : e;
}

/* ---- writing: the file ---- */

/* Rank 0's. */
struct output {
    struct file_writer file;
    struct buf bytes; /* frames that are not in the file yet */
    struct buf in;
};

static enum err write_out(struct output *o, size_t at_least)
{
    if (o->bytes.len < at_least) {
        return ERR_OK;
    }
    const enum err e = file_writer_put(&o->file, o->bytes.data, o->bytes.len);
    o->bytes.len = 0;
    return e;
}

static enum err put_learner(struct buf *out, const struct checkpoint *c, struct checkpoint_place at)
{
    float *moments[2];
    uint64_t *adam_t;
    mappo_optimiser(c->mappo, &moments[0], &moments[1], &adam_t);
    const struct checkpoint_header h = {
        .config = c->config,
        .weights = team_digest(c->team),
        .update = (uint32_t)at.update,
        .rollouts = at.rollouts,
        .adam_t = *adam_t,
        .n_envs = c->n_envs,
        .horizon = c->horizon,
    };
    TRY(codec_put_checkpoint(out, &h, c->team));
    TRY(codec_put_weights(out, c->team));
    TRY(codec_put_moments(out, 1, moments[0], c->team->w.n_params));
    return codec_put_moments(out, 2, moments[1], c->team->w.n_params);
}

/* The team as it acts in the rollout that runs ahead; its buffers are the team's and c->acting's.
 */
static struct team acting_team(const struct checkpoint *c)
{
    struct team t = *c->team;
    t.w = *c->acting;
    return t;
}

static enum err put_acting(struct buf *out, const struct checkpoint *c)
{
    const struct team acting = acting_team(c);
    return codec_put_weights(out, &acting);
}

/* One message: a tile's frame as it will stand in the file, or an error. */
static enum err take_message(struct output *o, const struct checkpoint *c, int from)
{
    struct frame_reader reader;
    struct frame f;
    char source[32];
    snprintf(source, sizeof source, "message from rank %d", from);
    frame_reader_init(&reader, o->in.data, o->in.len, source);
    if (frame_next(&reader, &f) == FRAME_OK && f.kind == FRAME_ERROR) {
        enum err reported = ERR_FAILED;
        TRY(codec_get_error(&reported, f.payload, f.n, source, c->scratch));
        return reported;
    }
    frame_reader_init(&reader, o->in.data, o->in.len, source);
    TRY(frame_expect(&reader, &f, FRAME_TILE_STATE, CODEC_TILE_STATE_VERSION));
    TRY(buf_append(&o->bytes, o->in.data, o->in.len));
    return write_out(o, PIECE);
}

/* After an error nothing is written any more, but all messages of the run are received. */
static enum err receive_run(struct output *o, const struct checkpoint *c, int owner, int n_tiles)
{
    enum err e = ERR_OK;
    for (int i = 0; i < n_tiles; i++) {
        TRY(comm_recv(c->comm, owner, COMM_TAG_STATE, &o->in, NULL));
        if (e == ERR_OK) {
            e = take_message(o, c, owner);
        }
    }
    return e;
}

/* My tiles lid, lid + 1, ...: to rank 0, or into its file. */
static enum err give_run(struct output *o, const struct checkpoint *c, int lid, int n_tiles)
{
    enum err worst = ERR_OK;
    for (int i = 0; i < n_tiles; i++) {
        if (c->comm->rank == 0) {
            TRY(put_tile(&o->bytes, c, lid + i));
            TRY(write_out(o, PIECE));
        } else {
            const enum err e = send_tile(c, lid + i);
            worst = e > worst ? e : worst;
        }
    }
    return worst;
}

/* The end of the run of tiles with one owner that begins with `first`. */
static int end_of_run(const struct owners *o, int first)
{
    int end = first + 1;
    while (end < o->n_tiles && o->sim[end] == o->sim[first]) {
        end++;
    }
    return end;
}

/* Collective. One owner's run of tiles after the other, all ranks in step: rank 0 never has more
 * than one run under way to it, and whatever fails, all leave together. */
static enum err gather(struct output *o, const struct checkpoint *c)
{
    const struct owners *owners = c->owners;
    const int me = c->comm->rank;
    enum err e = ERR_OK;
    int lid = 0;
    for (int first = 0, end; first < owners->n_tiles; first = end) {
        end = end_of_run(owners, first);
        const int owner = owners->sim[first], n_tiles = end - first;
        if (owner == me) {
            e = give_run(o, c, lid, n_tiles);
            lid += n_tiles;
        } else if (me == 0) {
            e = receive_run(o, c, owner, n_tiles);
        }
        TRY(comm_agree(c->comm, e));
    }
    return ERR_OK;
}

/* Collective. */
static enum err write_file(struct output *o, const struct checkpoint *c, struct checkpoint_place at)
{
    const bool root = c->comm->rank == 0;
    TRY(comm_agree(c->comm, root ? put_learner(&o->bytes, c, at) : ERR_OK));
    TRY(gather(o, c));
    enum err e = ERR_OK;
    if (root) {
        e = c->acting == NULL ? ERR_OK : put_acting(&o->bytes, c);
        e = e == ERR_OK ? write_out(o, 0) : e;
        e = e == ERR_OK ? file_writer_commit(&o->file) : e;
    }
    return comm_agree(c->comm, e);
}

enum err checkpoint_write(const struct checkpoint *c, const char *path, struct checkpoint_place at)
{
    struct output o = {.file = {.fd = -1}};
    const bool root = c->comm->rank == 0;
    buf_init(&o.bytes);
    buf_init(&o.in);
    enum err e = comm_agree(c->comm, root ? file_writer_open(&o.file, path) : ERR_OK);
    if (e == ERR_OK) {
        e = write_file(&o, c, at);
    }
    file_writer_abandon(&o.file);
    buf_release(&o.in);
    buf_release(&o.bytes);
    return e;
}

/* ---- reading ---- */

static enum err check_config(const struct checkpoint *c, const struct checkpoint_header *h,
                             const char *path)
{
    if (h->config == c->config) {
        return ERR_OK;
    }
    log_error("%s: the checkpoint was made with another configuration (digest %016" PRIx64
              ", here %016" PRIx64
              "): a file it names was changed, or the program's defaults were; "
              "restore them, or train anew with --restart",
              path, h->config, c->config);
    return ERR_CONFIG;
}

/* Rank 0. Frame frame_i of the file. *whole = false, with a warning, where the bytes are damaged.
 */
static enum err next_frame(const struct checkpoint *c, struct frame_file *file, struct frame *f,
                           bool *whole, int frame_i)
{
    const struct frame_rule rule = rule_of(c, frame_i);
    const size_t before = file->at;
    enum frame_status status = FRAME_OK;
    TRY(frame_file_next(file, f, &status));
    *whole = false;
    if (status == FRAME_OK && f->kind == rule.kind && f->version > rule.version) {
        log_error("%s: %s of version %u, this program knows 1 to %u; go on with the program that "
                  "wrote it, or train anew with --restart",
                  file->path, frame_kind_text(f->kind), f->version, rule.version);
        return ERR_VERSION;
    }
    if (status == FRAME_BAD_VERSION) {
        log_error("%s", file->reader.why);
        return ERR_VERSION;
    }
    if (status == FRAME_AT_END) {
        log_warn("%s: ends after %zu bytes, where its frame %d (%s) should begin", file->path,
                 before, frame_i, frame_kind_text(rule.kind));
    } else if (status != FRAME_OK) {
        log_warn("%s (frame %d, which begins at byte %zu of the file)", file->reader.why, frame_i,
                 before);
    } else if (f->kind != rule.kind || f->version == 0) {
        log_warn("%s, byte %zu: %s where %s should stand", file->path, before,
                 frame_kind_text(f->kind), frame_kind_text(rule.kind));
    } else {
        *whole = true;
    }
    return ERR_OK;
}

static enum err check_file(const struct checkpoint *c, bool *whole, struct frame_file *file)
{
    struct frame f;
    struct checkpoint_header h = {.n_envs = c->n_envs, .horizon = c->horizon};
    TRY(next_frame(c, file, &f, whole, AT_HEADER));
    if (!*whole) {
        return ERR_OK;
    }
    TRY(codec_get_checkpoint(&h, c->team, f.payload, f.n, file->path, c->scratch));
    TRY(check_config(c, &h, file->path));
    for (int i = AT_HEADER + 1; *whole && i < count_frames(c); i++) {
        TRY(next_frame(c, file, &f, whole, i));
    }
    if (*whole) {
        enum frame_status status = FRAME_OK;
        TRY(frame_file_next(file, &f, &status));
        *whole = status == FRAME_AT_END;
        if (!*whole) {
            log_warn("%s: bytes stand behind its last frame, from byte %zu on", file->path,
                     file->at);
        }
    }
    return ERR_OK;
}

enum err checkpoint_check(const struct checkpoint *c, bool *whole, const char *path)
{
    struct frame_file file;
    TRY(frame_file_open(&file, path));
    const enum err e = check_file(c, whole, &file);
    frame_file_close(&file);
    return e;
}

/* What a rank has taken so far. */
struct input {
    const struct checkpoint *c;
    const char *source;
    struct checkpoint_header header;
    uint32_t (*sums)[TILE]; /* (n_sim) */
    int frame_i, lid;
};

static enum err take_moments(const struct input *in, const struct frame *f)
{
    float *moments[2];
    uint64_t *adam_t;
    if (in->c->mappo == NULL) {
        return ERR_OK;
    }
    mappo_optimiser(in->c->mappo, &moments[0], &moments[1], &adam_t);
    *adam_t = in->header.adam_t;
    const int order = in->frame_i - AT_MOMENTS_1 + 1;
    return codec_get_moments(moments[order - 1], in->c->team->w.n_params, order, f->payload, f->n,
                             in->source, in->c->scratch);
}

static enum err take_tile(struct input *in, const struct frame *f)
{
    const struct checkpoint *c = in->c;
    if (c->owners->sim[in->frame_i - AT_TILES] != c->comm->rank) {
        return ERR_OK;
    }
    const int lid = in->lid++;
    return codec_get_tile_state(&c->tiles[lid], in->sums[lid], f->payload, f->n, in->source,
                                c->scratch);
}

static enum err take_acting(const struct input *in, const struct frame *f)
{
    const struct checkpoint *c = in->c;
    struct team acting = acting_team(c);
    TRY(codec_get_weights(&acting, f->payload, f->n, in->source, c->scratch));
    c->acting->version = acting.w.version;
    team_refresh(c->team); /* they share what is derived */
    return ERR_OK;
}

static enum err take_frame(struct input *in, const struct frame *f)
{
    const struct checkpoint *c = in->c;
    switch (in->frame_i) {
    case AT_HEADER:
        return codec_get_checkpoint(&in->header, c->team, f->payload, f->n, in->source, c->scratch);
    case AT_WEIGHTS:
        return codec_get_weights(c->team, f->payload, f->n, in->source, c->scratch);
    case AT_MOMENTS_1:
    case AT_MOMENTS_2:
        return take_moments(in, f);
    default:
        return is_acting(c, in->frame_i) ? take_acting(in, f) : take_tile(in, f);
    }
}

/* Rank 0: the next frames of the file, at least one. What goes wrong goes to everybody in place of
 * a frame. */
static enum err fill(struct buf *batch, const struct checkpoint *c, struct frame_file *file,
                     int frame_i)
{
    const int n_frames = count_frames(c);
    batch->len = 0;
    for (bool whole = true; frame_i < n_frames && batch->len < PIECE; frame_i++) {
        struct frame f;
        enum err e = next_frame(c, file, &f, &whole, frame_i);
        e = e == ERR_OK && !whole ? ERR_FORMAT : e; /* it was whole a moment ago */
        if (e == ERR_OK) {
            e = buf_append(batch, file->bytes.data, file->bytes.len);
        }
        if (e != ERR_OK) {
            batch->len = 0;
            return codec_put_error(batch, e);
        }
    }
    return ERR_OK;
}

static enum err take_batch(struct input *in, const struct buf *batch)
{
    struct frame_reader reader;
    struct frame f;
    frame_reader_init(&reader, batch->data, batch->len, in->source);
    while (reader.at < reader.n) {
        const enum frame_status status = frame_next(&reader, &f);
        if (status != FRAME_OK) {
            log_error("%s", reader.why);
            return frame_err(status);
        }
        if (f.kind == FRAME_ERROR) {
            enum err reported = ERR_FAILED;
            TRY(codec_get_error(&reported, f.payload, f.n, in->source, in->c->scratch));
            return reported;
        }
        TRY(take_frame(in, &f));
        in->frame_i++;
    }
    return ERR_OK;
}

/* Every rank sees every frame and takes what is its own. */
static enum err share_file(struct input *in, struct frame_file *file)
{
    struct comm *comm = in->c->comm;
    const int n_frames = count_frames(in->c);
    struct buf batch;
    enum err e = ERR_OK;
    buf_init(&batch);
    while (e == ERR_OK && in->frame_i < n_frames) {
        e = comm->rank == 0 ? fill(&batch, in->c, file, in->frame_i) : ERR_OK;
        e = comm_agree(comm, e);
        if (e == ERR_OK) {
            e = comm_bcast(comm, 0, &batch);
        }
        if (e == ERR_OK) {
            e = comm_agree(comm, take_batch(in, &batch));
        }
    }
    buf_release(&batch);
    return e;
}

static enum err replay_all(const struct input *in)
{
    const struct checkpoint *c = in->c;
    if (team_digest(c->team) != in->header.weights) {
        log_error("%s: digest of the weights is %016" PRIx64 ", the checkpoint says %016" PRIx64,
                  in->source, team_digest(c->team), in->header.weights);
        return ERR_FORMAT;
    }
    for (int i = 0; i < c->n_sim; i++) {
        TRY(replay_tile(&c->tiles[i], in->sums[i], c->stagger, c->n_envs, c->scratch));
    }
    return ERR_OK;
}

static enum err read_file(struct input *in, struct frame_file *file)
{
    TRY(share_file(in, file));
    return comm_agree(in->c->comm, replay_all(in));
}

enum err checkpoint_read(const struct checkpoint *c, struct checkpoint_place *at, const char *path)
{
    const bool root = c->comm->rank == 0;
    const struct arena_mark mark = arena_mark(c->scratch);
    struct frame_file file = {.fd = -1};
    struct input in = {
        .c = c,
        .source = root ? path : "checkpoint from rank 0",
        .header = {.n_envs = c->n_envs, .horizon = c->horizon},
        .sums = arena_alloc(c->scratch, (size_t)c->n_sim, sizeof *in.sums),
    };
    enum err e = in.sums == NULL ? ERR_MEMORY : root ? frame_file_open(&file, path) : ERR_OK;
    e = comm_agree(c->comm, e);
    if (e == ERR_OK) {
        e = read_file(&in, &file);
    }
    frame_file_close(&file);
    arena_rewind(c->scratch, mark);
    if (e == ERR_OK) {
        *at = (struct checkpoint_place){(int)in.header.update, in.header.rollouts};
    }
    return e;
}
