/* Checkpoints: tiles to rank 0 and into the file, and from the file to everybody.
 *
 * The file's frames are numbered: for each team a header, its weights and the parts of its learner;
 * one for each tile in order; and, where a rollout runs ahead, the weights that each team acts with
 * in it. What a frame must be follows from its number alone.
 *
 * Why the bytes do not depend on the ranks: frames stand in the order of teams and tiles, a tile's
 * frame is made by its owner from the tile alone, and rank 0 copies it into the file as it came.
 *
 * Recovery: the file gets its name when it is complete (core/base/file.h), so a crash while it is
 * written leaves the older checkpoint. Before anything of a file is taken over, checkpoint_check()
 * has read all of it; a damaged file is left aside for the one before it. */
#include "mpi/train/checkpoint.h"

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/marl/replay_tile.h"
#include "proto/checkpoint.h"
#include "proto/error.h"
#include "proto/weights.h"

#include <inttypes.h>
#include <stdio.h>

enum { PIECE = 1024 * 1024 }; /* frames are written and broadcast together up to about this size */

/* ---- frames by number ---- */

enum frame_is { IS_HEADER, IS_WEIGHTS, IS_PART, IS_TILE, IS_ACTING };

struct frame_part {
    enum frame_is is;
    int team; /* of all but tiles */
    int i;    /* of a part, from 0; of a tile */
};

static int count_tiles(const struct checkpoint *c)
{
    return c->owners->n_tiles;
}

/* Of one team's section: header, weights, parts. */
static int count_section(const struct checkpoint *c, int team)
{
    return 2 + c->learners[team]->n_parts;
}

static int count_frames(const struct checkpoint *c)
{
    int n = count_tiles(c) + (c->ahead ? c->spec->n_teams : 0);
    for (int k = 0; k < c->spec->n_teams; k++) {
        n += count_section(c, k);
    }
    return n;
}

/* Invariant: `at` is the number of the frame counted from the start of team k's section, after the
 * last team from the first tile. In a section the header is frame 0, the weights are frame 1 and
 * part i is frame 2 + i: the values of IS_HEADER, IS_WEIGHTS and IS_PART. */
static struct frame_part frame_part_of(const struct checkpoint *c, int frame_i)
{
    int at = frame_i;
    for (int k = 0; k < c->spec->n_teams; k++) {
        const int n = count_section(c, k);
        if (at < n) {
            return (struct frame_part){at < IS_PART ? (enum frame_is)at : IS_PART, k, at - IS_PART};
        }
        at -= n;
    }
    return at < count_tiles(c) ? (struct frame_part){IS_TILE, 0, at}
                               : (struct frame_part){IS_ACTING, at - count_tiles(c), 0};
}

static const struct frame_rule {
    enum frame_kind kind;
    unsigned version;
} rules[] = {
    [IS_HEADER] = {FRAME_CHECKPOINT, CODEC_CHECKPOINT_VERSION},
    [IS_WEIGHTS] = {FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION},
    [IS_PART] = {FRAME_MOMENTS, CODEC_MOMENTS_VERSION},
    [IS_TILE] = {FRAME_TILE_STATE, CODEC_TILE_STATE_VERSION},
    [IS_ACTING] = {FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION},
};

/* ---- writing: what a tile is ---- */

/* With a rollout that runs ahead c->tiles are histories from before it, and the environments have
 * moved on since. Their checksums from that time were kept in c->sums. */
static enum err put_tile(struct buf *out, const struct checkpoint *c, int lid)
{
    uint32_t now[TILE];
    const uint32_t *sums = now;
    if (c->sums != NULL) {
        sums = c->sums[lid];
    } else {
        TRY(replay_tile_checksums(now, &c->tiles[lid], c->scratch));
    }
    return codec_put_tile_state(out, &c->tiles[lid], sums, c->scratch);
}

/* A tile, or the error that stands in its place, to rank 0. Exactly one message leaves, since
 * rank 0 waits for one: if it cannot be sent, the job ends. If not even the error can be encoded,
 * it is no whole frame, and rank 0 refuses it. */
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
    comm_must(comm_send(c->comm, 0, COMM_TAG_STATE, &out));
    return e;
}

/* ---- writing: the file ---- */

/* Rank 0's. */
struct output {
    struct file_writer file;
    struct buf bytes; /* frames that are not in the file yet */
    struct buf in;
};

/* Frames collect in `bytes` until there are `at_least` bytes of them; 0 writes whatever is left. */
static enum err write_out(struct output *o, size_t at_least)
{
    if (o->bytes.len < at_least) {
        return ERR_OK;
    }
    const enum err e = file_writer_put(&o->file, o->bytes.data, o->bytes.len);
    o->bytes.len = 0;
    return e;
}

/* In the order of frame_part_of(). The digest of the weights in the header is compared after a
 * resume with that of the weights which were read. */
static enum err put_section(struct buf *out, const struct checkpoint *c, int team,
                            struct checkpoint_progress at)
{
    const struct learner *l = c->learners[team];
    const struct checkpoint_header h = {
        .config = c->config,
        .weights = weights_hash(HASH_START, l->w),
        .update = (uint32_t)at.update,
        .rollouts = at.rollouts,
        .counter = l->counter == NULL ? 0 : *l->counter,
        .n_envs = c->n_envs,
        .horizon = c->horizon,
    };
    TRY(codec_put_checkpoint(out, &h, l));
    TRY(codec_put_weights(out, l->w, team));
    for (int i = 0; i < l->n_parts; i++) {
        TRY(codec_put_moments(out, i + 1, l->parts[i].values, l->parts[i].n));
    }
    return ERR_OK;
}

static enum err put_learners(struct buf *out, const struct checkpoint *c,
                             struct checkpoint_progress at)
{
    for (int k = 0; k < c->spec->n_teams; k++) {
        TRY(put_section(out, c, k, at));
    }
    return ERR_OK;
}

static enum err put_acting(struct buf *out, const struct checkpoint *c)
{
    for (int k = 0; k < c->spec->n_teams; k++) {
        TRY(codec_put_weights(out, c->acting[k], k));
    }
    return ERR_OK;
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

/* After an error nothing is written any more, but all messages of the run are received. A message
 * that stayed would be taken for one of the next checkpoint. */
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
 * than one run under way to it, and whatever fails, all leave together. Invariant: `lid` is the
 * number of tiles before `first` that I simulate. Both the runs and my tiles are in ascending
 * order, so my tile `lid` is the first one of my next run. */
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

/* Collective. The commit comes after gather() has succeeded on all ranks, so no file that lacks a
 * tile gets its name. */
static enum err write_file(struct output *o, const struct checkpoint *c,
                           struct checkpoint_progress at)
{
    const bool root = c->comm->rank == 0;
    TRY(comm_agree(c->comm, root ? put_learners(&o->bytes, c, at) : ERR_OK));
    TRY(gather(o, c));
    enum err e = ERR_OK;
    if (root) {
        e = c->ahead ? put_acting(&o->bytes, c) : ERR_OK;
        e = e == ERR_OK ? write_out(o, 0) : e;
        e = e == ERR_OK ? file_writer_commit(&o->file) : e;
    }
    return comm_agree(c->comm, e);
}

enum err checkpoint_write(const struct checkpoint *c, const char *path,
                          struct checkpoint_progress at)
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

/* Rank 0. Frame frame_i of the file. There are three outcomes:
 *
 *   error            the frame is intact but of a newer program, or reading failed
 *   *whole = false   the bytes are damaged, cut off or in the wrong order; a warning says where
 *   *whole = true    the frame that must stand here
 *
 * A version counts only where the checksum of the frame's header is right, so a damaged byte is
 * never taken for a newer version. The distinction matters: of a damaged file the checkpoint before
 * it can be used, but going back from a newer program's file would lose work without a word. */
static enum err next_frame(const struct checkpoint *c, struct frame_file *file, struct frame *f,
                           bool *whole, int frame_i)
{
    const struct frame_rule rule = rules[frame_part_of(c, frame_i).is];
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

/* A frame that is whole: is it of this training? Only headers tell. n_envs, horizon and the shapes
 * of the learner are compared by the codec, the configuration here. */
static enum err check_header(const struct checkpoint *c, const struct frame *f, const char *path,
                             struct frame_part at)
{
    struct checkpoint_header h = {.n_envs = c->n_envs, .horizon = c->horizon};
    if (at.is != IS_HEADER) {
        return ERR_OK;
    }
    TRY(codec_get_checkpoint(&h, c->learners[at.team], f->payload, f->n, path, c->scratch));
    return check_config(c, &h, path);
}

/* Whole means: each frame that this training needs, in its place, and the end of the file behind
 * the last one. The loop stops at the first frame that is not. */
static enum err check_file(const struct checkpoint *c, bool *whole, struct frame_file *file)
{
    struct frame f;
    *whole = true;
    for (int i = 0; *whole && i < count_frames(c); i++) {
        TRY(next_frame(c, file, &f, whole, i));
        if (*whole) {
            TRY(check_header(c, &f, file->path, frame_part_of(c, i)));
        }
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
    struct checkpoint_header headers[ENV_TEAMS_MAX];
    uint32_t (*sums)[TILE]; /* (n_sim) */
    int frame_i, lid;
};

static enum err take_header(struct input *in, const struct frame *f, int team)
{
    const struct checkpoint *c = in->c;
    const struct learner *l = c->learners[team];
    struct checkpoint_header *h = &in->headers[team];
    *h = (struct checkpoint_header){.n_envs = c->n_envs, .horizon = c->horizon};
    TRY(codec_get_checkpoint(h, l, f->payload, f->n, in->source, c->scratch));
    if (l->counter != NULL) {
        *l->counter = h->counter;
    }
    return ERR_OK;
}

static enum err take_weights(const struct input *in, const struct frame *f, int team)
{
    struct learner *l = in->c->learners[team];
    TRY(codec_get_weights(l->w, team, f->payload, f->n, in->source, in->c->scratch));
    learner_refresh(l);
    return ERR_OK;
}

/* Ranks that only simulate have no memory for parts and skip them. */
static enum err take_part(const struct input *in, const struct frame *f, struct frame_part at)
{
    const struct checkpoint *c = in->c;
    const struct learner_part *part = &c->learners[at.team]->parts[at.i];
    return !c->learns ? ERR_OK
                      : codec_get_moments(part->values, part->n, at.i + 1, f->payload, f->n,
                                          in->source, c->scratch);
}

/* Tile frames come in ascending order, as my tiles stand, so counting those of mine
 * gives their index. */
static enum err take_tile(struct input *in, const struct frame *f, int tile)
{
    const struct checkpoint *c = in->c;
    if (c->owners->sim[tile] != c->comm->rank) {
        return ERR_OK;
    }
    const int lid = in->lid++;
    return codec_get_tile_state(&c->tiles[lid], in->sums[lid], f->payload, f->n, in->source,
                                c->scratch);
}

static enum err take_frame(struct input *in, const struct frame *f)
{
    const struct checkpoint *c = in->c;
    const struct frame_part at = frame_part_of(c, in->frame_i);
    switch (at.is) {
    case IS_HEADER:
        return take_header(in, f, at.team);
    case IS_WEIGHTS:
        return take_weights(in, f, at.team);
    case IS_PART:
        return take_part(in, f, at);
    case IS_TILE:
        return take_tile(in, f, at.i);
    case IS_ACTING:
        break;
    }
    return codec_get_weights(c->acting[at.team], at.team, f->payload, f->n, in->source, c->scratch);
}

/* Rank 0: the next frames of the file, at least one. What goes wrong goes to everybody in place
 * of a frame. The batch is empty at first, so the loop adds a frame or an error; share_file()
 * relies on it. */
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

/* frame_i counts all frames, those of other ranks too, so it stays equal on all ranks. */
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

/* Every rank sees every frame and takes what is its own. All ranks leave the loop in the same turn:
 * frame_i is equal on all of them and e is agreed on. It ends, because each batch advances frame_i
 * or brings an error. */
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

/* Proves that what was read is what was written: the weights by their digest, the environments by
 * replaying their actions and comparing checksums of the states that result. */
static enum err replay_all(const struct input *in)
{
    const struct checkpoint *c = in->c;
    for (int k = 0; k < c->spec->n_teams; k++) {
        const uint64_t digest = weights_hash(HASH_START, c->learners[k]->w);
        if (digest != in->headers[k].weights) {
            log_error("%s: digest of the weights is %016" PRIx64
                      ", the checkpoint says %016" PRIx64,
                      in->source, digest, in->headers[k].weights);
            return ERR_FORMAT;
        }
    }
    for (int i = 0; i < c->n_sim; i++) {
        TRY(replay_tile(&c->tiles[i], in->sums[i], c->stagger, c->n_envs, c->scratch));
    }
    return ERR_OK;
}

static enum err read_file(struct input *in, struct frame_file *file)
{
    TRY(share_file(in, file));
    if (in->c->enter != NULL) {
        TRY(in->c->enter(in->c->ctx, (int)in->headers[0].update));
    }
    return comm_agree(in->c->comm, replay_all(in));
}

enum err checkpoint_read(const struct checkpoint *c, struct checkpoint_progress *at,
                         const char *path)
{
    const bool root = c->comm->rank == 0;
    const struct arena_mark mark = arena_mark(c->scratch);
    struct frame_file file = {.fd = -1};
    struct input in = {
        .c = c,
        .source = root ? path : "checkpoint from rank 0",
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
        *at = (struct checkpoint_progress){(int)in.headers[0].update, in.headers[0].rollouts};
    }
    return e;
}
