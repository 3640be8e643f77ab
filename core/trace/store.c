/* One pass over the frames makes the index; episodes are read where it says. See store.h.
 *
 * Recovery after a crash: an episode is one frame with a checksum, appended by one writer. A writer
 * that is killed leaves a prefix of a frame at the end and nothing else, which frame_file_next()
 * reports as torn. A reader stops before it; store_append() cuts it off and goes on there. Damage
 * anywhere else is an error: what stands behind it could not be trusted to be in place. */
#include "core/trace/store.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- parts ---- */

const char *store_part_name(enum store_part part)
{
    static const char *const names[STORE_PARTS] = {"train", "validation", "held out"};
    return names[part];
}

/* A uniform number for the load (seed, episode) decides; [0, 1) is cut into held out, validation
 * and training. Nothing else enters, so appending episodes never moves one to another part. The
 * first word of the counter is 0; the draws of a twin, in the same domain, have others
 * (twin_batch.c). */
enum store_part store_part_of(const struct store_header *h, uint64_t seed, uint32_t episode)
{
    const struct rng_key key = rng_key(h->split_seed, RNG_TWIN, RNG_TRAIN);
    const struct rng_block b = rng_philox(key, 0, (uint32_t)seed, (uint32_t)(seed >> 32), episode);
    const double u = rng_f64(b.v[0], b.v[1]);
    return u < h->held_out                   ? STORE_HELD_OUT
           : u < h->held_out + h->validation ? STORE_VALIDATION
                                             : STORE_TRAIN;
}

/* ---- headers ---- */

/* Index of the first that differs, n if none. */
static int first_difference(const char *const *a, const char *const *b, int n)
{
    int i = 0;
    while (i < n && strcmp(a[i], b[i]) == 0) {
        i++;
    }
    return i;
}

/* The functions same_*() compare one field of two headers. Where it differs they write the
 * difference into `why` (size) and return false, so in a chain of && `why` names the first
 * difference. */
static bool same_list(char *why, size_t size, const char *what, const char *const *a, int n_a,
                      const char *const *b, int n_b)
{
    if (n_a != n_b) {
        (void)snprintf(why, size, "%d and %d %s", n_a, n_b, what);
        return false;
    }
    const int i = first_difference(a, b, n_a);
    if (i < n_a) {
        (void)snprintf(why, size, "%s '%s' and '%s'", what, a[i], b[i]);
        return false;
    }
    return true;
}

static bool same_text(char *why, size_t size, const char *what, const char *a, const char *b)
{
    if (strcmp(a, b) == 0) {
        return true;
    }
    (void)snprintf(why, size, "%s '%.60s' and '%.60s'", what, a, b);
    return false;
}

/* Numbers without an order (NaN) count as the same, so that a header always equals itself. */
static bool same_number(char *why, size_t size, const char *what, double a, double b)
{
    if (!(a < b || a > b)) {
        return true;
    }
    (void)snprintf(why, size, "%s %g and %g", what, a, b);
    return false;
}

/* `why` begins with the sentence for the only field that no same_*() compares, which comes last. */
enum err store_same_header(const struct store_header *a, const char *source_a,
                           const struct store_header *b, const char *source_b)
{
    char why[256] = "other split seeds";
    const size_t n = sizeof why;
    if (same_text(why, n, "plants", a->plant, b->plant) &&
        same_list(why, n, "services", a->services, a->n_services, b->services, b->n_services) &&
        same_list(why, n, "columns", a->columns, a->n_columns, b->columns, b->n_columns) &&
        same_list(why, n, "units", a->units, a->n_columns, b->units, b->n_columns) &&
        same_list(why, n, "measurements", a->truths, a->n_truths, b->truths, b->n_truths) &&
        same_number(why, n, "decision periods", a->period_s, b->period_s) &&
        same_number(why, n, "validation shares", a->validation, b->validation) &&
        same_number(why, n, "held-out shares", a->held_out, b->held_out) &&
        same_text(why, n, "topologies", a->topology, b->topology) &&
        same_text(why, n, "licences", a->licence, b->licence) &&
        same_text(why, n, "origins", a->origin, b->origin) && a->split_seed == b->split_seed) {
        return ERR_OK;
    }
    log_error("%s and %s are of different making: %s; a store holds one plant, from one origin",
              source_a, source_b, why);
    return ERR_MISMATCH;
}

/* ---- reading ---- */

/* f->at: bytes of the intact frames before the bad one, from which a user can rescue the file. */
static enum err bad_frame(const struct frame_file *f, enum frame_status status)
{
    log_error("%s; %zu bytes before it are intact", f->reader.why, f->at);
    return frame_err(status);
}

/* The first frame. */
static enum err read_header(struct store *s, struct arena *arena, struct frame_file *f)
{
    struct frame frame;
    enum frame_status status;
    TRY(frame_file_next(f, &frame, &status));
    if (status == FRAME_AT_END) {
        log_error("%s is empty: a trace store begins with a header", s->path);
        return ERR_FORMAT;
    }
    if (status != FRAME_OK) {
        return bad_frame(f, status);
    }
    if (frame.kind != FRAME_TRACE_STORE || frame.version > CODEC_STORE_VERSION) {
        log_error("%s is no trace store of this program: its first frame is a %s, version %u",
                  s->path, frame_kind_text(frame.kind), frame.version);
        return frame.kind != FRAME_TRACE_STORE ? ERR_FORMAT : ERR_VERSION;
    }
    s->digest = hash_fnv1a(HASH_START, f->bytes.data, f->bytes.len);
    return codec_get_store(&s->header, frame.payload, frame.n, s->path, arena);
}

/* Names are hashed with their final NUL, so that "a", "bc" and "ab", "c" differ. */
static uint64_t key_of(const struct store_episode *e)
{
    uint64_t hash = hash_fnv1a(HASH_START, e->controller, strlen(e->controller) + 1);
    hash = hash_fnv1a(hash, e->scenario, strlen(e->scenario) + 1);
    hash = hash_fnv1a(hash, &e->policy, sizeof e->policy);
    hash = hash_fnv1a(hash, &e->seed, sizeof e->seed);
    return hash_fnv1a(hash, &e->episode, sizeof e->episode);
}

/* Decodes the episode to check it and to learn its length and identity; only the entry is kept. The
 * digest runs over header and episodes in the order of the file, which is the digest of the intact
 * bytes. */
static enum err index_episode(struct buf *entries, struct store *s, const struct frame *frame,
                              const struct frame_file *f, struct arena *scratch)
{
    struct store_episode e;
    if (frame->kind != FRAME_TRACE_EPISODE || frame->version > CODEC_STORE_VERSION) {
        log_error("%s: behind %d episodes stands a %s, version %u, which does not belong there",
                  s->path, s->n_episodes, frame_kind_text(frame->kind), frame->version);
        return frame->kind != FRAME_TRACE_EPISODE ? ERR_FORMAT : ERR_VERSION;
    }
    TRY(codec_get_episode(&e, &s->header, frame->payload, frame->n, s->path, scratch));
    const struct store_entry entry = {.offset = frame->offset,
                                      .bytes = f->bytes.len,
                                      .key = key_of(&e),
                                      .n_steps = e.n_steps,
                                      .part = store_part_of(&s->header, e.seed, e.episode)};
    s->digest = hash_fnv1a(s->digest, f->bytes.data, f->bytes.len);
    s->n_steps += e.n_steps;
    s->n_part[entry.part]++;
    s->n_episodes++;
    return buf_append(entries, &entry, sizeof entry);
}

/* Until the end of the file or a torn frame. Each turn reads one frame and moves s->intact behind
 * it, so the loop ends with the file. Scratch holds one episode at a time. */
static enum err index_all(struct buf *entries, struct store *s, struct frame_file *f,
                          struct arena *scratch)
{
    for (;;) {
        struct frame frame;
        enum frame_status status;
        const struct arena_mark mark = arena_mark(scratch);
        TRY(frame_file_next(f, &frame, &status));
        s->intact = f->at;
        if (status == FRAME_AT_END) {
            return ERR_OK;
        }
        if (status == FRAME_TORN) {
            s->torn = true;
            log_warn("%s ends inside an episode (its writer was killed); the %d whole ones before "
                     "it, %zu bytes, are used",
                     s->path, s->n_episodes, s->intact);
            return ERR_OK;
        }
        if (status != FRAME_OK) {
            return bad_frame(f, status);
        }
        TRY(index_episode(entries, s, &frame, f, scratch));
        arena_rewind(scratch, mark);
    }
}

static enum err keep_entries(struct store *s, struct arena *arena, const struct buf *entries)
{
    s->entries = ARENA_NEW(arena, s->n_episodes, struct store_entry);
    TRY(arena_error(arena));
    if (entries->len > 0) {
        memcpy(s->entries, entries->data, entries->len);
    }
    return ERR_OK;
}

/* Works on a copy: *s is written only when all is well. The file stays open in the store, so that a
 * file that is replaced later (rename) is still the one that was indexed. */
enum err store_open(struct store *s, struct arena *arena, const char *path)
{
    struct frame_file f;
    struct arena scratch;
    struct buf entries;
    struct store opened = {.path = path, .fd = -1};
    TRY(frame_file_open(&f, path));
    arena_init(&scratch);
    buf_init(&entries);
    enum err e = read_header(&opened, arena, &f);
    if (e == ERR_OK) {
        e = index_all(&entries, &opened, &f, &scratch);
    }
    if (e == ERR_OK) {
        e = keep_entries(&opened, arena, &entries);
    }
    if (e == ERR_OK) {
        opened.fd = f.fd; /* taken over */
        f.fd = -1;
        buf_init(&opened.frame);
        *s = opened;
    }
    buf_release(&entries);
    arena_release(&scratch);
    frame_file_close(&f);
    return e;
}

void store_close(struct store *s)
{
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = -1;
    buf_release(&s->frame);
}

/* The frame of episode i into s->frame. pread() may give fewer bytes than were asked for; each turn
 * gets at least one, or the function ends. It uses no file position, so readers do not disturb each
 * other. */
static enum err read_frame(struct store *s, int i)
{
    const struct store_entry *at = &s->entries[i];
    s->frame.len = 0;
    TRY(buf_reserve(&s->frame, at->bytes));
    while (s->frame.len < at->bytes) {
        const ssize_t got = pread(s->fd, s->frame.data + s->frame.len, at->bytes - s->frame.len,
                                  (off_t)(at->offset + s->frame.len));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            log_error("cannot read episode %d of '%s': %s", i, s->path,
                      got < 0 ? strerror(errno) : "the file became shorter");
            return ERR_IO;
        }
        s->frame.len += (size_t)got;
    }
    return ERR_OK;
}

enum err store_read(struct store_episode *e, struct store *s, int i, struct arena *arena)
{
    struct frame_reader reader;
    struct frame f;
    CHECK(i >= 0 && i < s->n_episodes);
    TRY(read_frame(s, i));
    frame_reader_init(&reader, s->frame.data, s->frame.len, s->path);
    TRY(frame_expect(&reader, &f, FRAME_TRACE_EPISODE, CODEC_STORE_VERSION));
    return codec_get_episode(e, &s->header, f.payload, f.n, s->path, arena);
}

/* ---- writing ---- */

static enum err failed(const char *verb, const char *path)
{
    log_error("cannot %s '%s': %s", verb, path, strerror(errno));
    return ERR_IO;
}

/* O_EXCL: two writers cannot both believe that they made the file. O_APPEND: each write goes to the
 * end, wherever that is by then. */
enum err store_create(struct store_writer *w, const char *path, const struct store_header *h)
{
    struct buf b;
    w->path = path;
    w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        return failed("create", path);
    }
    buf_init(&b);
    enum err e = codec_put_store(&b, h);
    if (e == ERR_OK) {
        e = file_write_fd(w->fd, path, b.data, b.len);
    }
    buf_release(&b);
    if (e != ERR_OK) {
        close(w->fd);
        w->fd = -1;
    }
    return e;
}

/* The file is checked as a whole first (store_open()); only then is it opened for writing and its
 * torn end cut off, so a refusal changes nothing. *n_episodes is written on success only. */
enum err store_append(struct store_writer *w, int *n_episodes, const char *path,
                      const struct store_header *h)
{
    struct arena arena;
    struct store s;
    w->fd = -1;
    w->path = path;
    arena_init(&arena);
    enum err e = store_open(&s, &arena, path);
    if (e == ERR_OK) {
        e = store_same_header(&s.header, path, h, "what is to be appended");
        if (e == ERR_OK) {
            w->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
            e = w->fd < 0 ? failed("open", path) : ERR_OK;
        }
        if (e == ERR_OK && s.torn && ftruncate(w->fd, (off_t)s.intact) != 0) {
            e = failed("cut the torn end of", path);
        }
        *n_episodes = e == ERR_OK ? s.n_episodes : *n_episodes;
        store_close(&s);
    }
    arena_release(&arena);
    if (e != ERR_OK && w->fd >= 0) {
        close(w->fd);
        w->fd = -1;
    }
    return e;
}

enum err store_put(struct store_writer *w, const void *frame, size_t bytes)
{
    return file_write_fd(w->fd, w->path, frame, bytes);
}

/* EINVAL and EROFS of fsync(): a pipe or a device has nothing to flush. The descriptor is closed
 * whatever happened before, and the first error is the one returned. */
enum err store_finish(struct store_writer *w)
{
    enum err e = ERR_OK;
    if (w->fd < 0) {
        return ERR_OK;
    }
    if (fsync(w->fd) != 0 && errno != EINVAL && errno != EROFS) {
        e = failed("flush", w->path);
    }
    if (close(w->fd) != 0 && e == ERR_OK) {
        e = failed("close", w->path);
    }
    w->fd = -1;
    return e;
}

/* ---- merging ---- */

/* Where an episode of a merge stands. Key and hash are 64 bits each: that two different episodes
 * share one is left out of account. */
struct merge_entry {
    uint64_t key, hash; /* who and which; all its bytes */
    int file, episode;
};

/* Ascending in key; among equal keys in the order of files and episodes, so that the first of them
 * in that order comes first. A total order: the result does not depend on qsort(). */
static int by_key(const void *a, const void *b)
{
    const struct merge_entry *x = a, *y = b;
    const int file = (x->file > y->file) - (x->file < y->file);
    const int episode = (x->episode > y->episode) - (x->episode < y->episode);
    return x->key < y->key ? -1 : x->key > y->key ? 1 : file != 0 ? file : episode;
}

static int by_position(const void *a, const void *b)
{
    const struct merge_entry *x = a, *y = b;
    return x->file != y->file ? x->file - y->file : x->episode - y->episode;
}

/* Hashes whole frames, header of the frame included: equal hashes mean equal bytes. */
static enum err list_episodes(struct merge_entry *entries, struct store *stores, int n)
{
    for (int f = 0, at = 0; f < n; f++) {
        for (int i = 0; i < stores[f].n_episodes; i++, at++) {
            TRY(read_frame(&stores[f], i));
            entries[at] = (struct merge_entry){
                .key = stores[f].entries[i].key,
                .hash = hash_fnv1a(HASH_START, stores[f].frame.data, stores[f].frame.len),
                .file = f,
                .episode = i};
        }
    }
    return ERR_OK;
}

/* Keeps the first of those with one key, in the order of the files. After the sort equal keys are
 * neighbours; the kept ones fill the front of the array in place (n_unique <= i), and `last` is the
 * kept one of the present key, if that was seen before. The second sort restores the order of the
 * files. */
static enum err drop_repeated(struct merge_entry *entries, int *n, const struct store *stores)
{
    int n_unique = 0;
    qsort(entries, (size_t)*n, sizeof *entries, by_key);
    for (int i = 0; i < *n; i++) {
        const struct merge_entry *last = n_unique > 0 ? &entries[n_unique - 1] : NULL;
        if (last == NULL || last->key != entries[i].key) {
            entries[n_unique++] = entries[i];
        } else if (last->hash != entries[i].hash) {
            log_error("episode %d of %s and episode %d of %s have the same controller, scenario "
                      "and number but not the same contents; they were made by different programs "
                      "or settings",
                      last->episode, stores[last->file].path, entries[i].episode,
                      stores[entries[i].file].path);
            return ERR_MISMATCH;
        }
    }
    qsort(entries, (size_t)n_unique, sizeof *entries, by_position);
    *n = n_unique;
    return ERR_OK;
}

/* Copies frames as they are: no episode is decoded and encoded again, so its bytes and its digest
 * stay. The temporary file becomes `to` at the commit, or is removed. */
static enum err write_merged(const char *to, struct store *stores,
                             const struct merge_entry *entries, int n)
{
    struct file_writer w;
    struct buf b;
    buf_init(&b);
    enum err e = codec_put_store(&b, &stores[0].header);
    if (e == ERR_OK) {
        e = file_writer_open(&w, to);
    }
    if (e != ERR_OK) {
        buf_release(&b);
        return e;
    }
    e = file_writer_put(&w, b.data, b.len);
    for (int i = 0; e == ERR_OK && i < n; i++) {
        struct store *s = &stores[entries[i].file];
        e = read_frame(s, entries[i].episode);
        if (e == ERR_OK) {
            e = file_writer_put(&w, s->frame.data, s->frame.len);
        }
    }
    buf_release(&b);
    if (e != ERR_OK) {
        file_writer_abandon(&w);
        return e;
    }
    return file_writer_commit(&w);
}

static enum err merge_open(const char *to, struct store *stores, int n_stores,
                           struct arena *scratch)
{
    int n = 0;
    for (int f = 0; f < n_stores; f++) {
        n += stores[f].n_episodes;
        TRY(store_same_header(&stores[0].header, stores[0].path, &stores[f].header,
                              stores[f].path));
    }
    struct merge_entry *entries = ARENA_NEW(scratch, n, struct merge_entry);
    TRY(arena_error(scratch));
    TRY(list_episodes(entries, stores, n_stores));
    TRY(drop_repeated(entries, &n, stores));
    return write_merged(to, stores, entries, n);
}

/* n_open counts the stores that have to be closed, whichever step failed. */
enum err store_merge(const char *to, const char *const *from, int n_from, struct arena *scratch)
{
    int n_open = 0;
    enum err e = ERR_OK;
    struct store *stores = ARENA_NEW(scratch, n_from, struct store);
    TRY(arena_error(scratch));
    while (e == ERR_OK && n_open < n_from) {
        e = store_open(&stores[n_open], scratch, from[n_open]);
        n_open += e == ERR_OK;
    }
    if (e == ERR_OK) {
        e = merge_open(to, stores, n_open, scratch);
    }
    while (n_open > 0) {
        store_close(&stores[--n_open]);
    }
    return e;
}
