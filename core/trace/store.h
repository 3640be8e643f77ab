/* The trace store: a file of whole episodes of one plant, what a twin of it is learned from.
 *
 * A file is a header and then an episode a frame (proto/trace_store.proto). It only grows at its
 * end: an episode is one frame, written in one piece, so a writer that was killed leaves at most
 * one torn frame, which the next one cuts off and says so. The index is made while the file is
 * opened, in the one pass that checks every checksum anyway; none is kept in the file, so none can
 * be stale.
 *
 * Episodes are the unit of everything: they are read whole, and they, never their rows, are split
 * into parts for training, validation and held out. Local.
 */
#ifndef KARMA_TRACE_STORE_H
#define KARMA_TRACE_STORE_H

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "proto/trace_store.h"

#include <stdbool.h>

enum store_part { STORE_TRAIN, STORE_VALIDATION, STORE_HELD_OUT, STORE_PARTS };

/* "train", "validation", "held out". */
const char *store_part_name(enum store_part part);

/* Which part an episode belongs to: a pure function of the header and of the load it met, so that
 * whatever controller played it, an episode's load is in one part only. */
enum store_part store_part_of(const struct store_header *h, uint64_t seed, uint32_t episode);

/* ERR_MISMATCH with a sentence that names the first thing that differs: a store holds one plant. */
enum err store_same_header(const struct store_header *a, const char *source_a,
                           const struct store_header *b, const char *source_b) WARN_UNUSED;

/* ---- reading ---- */

struct store_entry {
    size_t offset, bytes; /* of the frame in the file */
    uint64_t key;         /* hash of who and which: controller, policy, scenario, seed, episode */
    int n_steps;
    enum store_part part;
};
struct store {
    const char *path; /* borrowed */
    int fd;
    struct store_header header;  /* in the arena of store_open() */
    struct store_entry *entries; /* (n_episodes) in the order of the file */
    int n_episodes;
    int n_part[STORE_PARTS];
    int64_t n_steps;  /* over all episodes */
    size_t intact;    /* bytes up to the end of the last whole frame */
    bool torn;        /* bytes follow that are the beginning of one; a warning was given */
    uint64_t digest;  /* FNV-1a, 64 bits, over the intact bytes */
    struct buf frame; /* owned: what store_read() read last */
};

/* ERR_FORMAT with a sentence for a file that is empty, damaged or no store; ERR_IO, ERR_VERSION. A
 * torn tail is left out. On an error nothing is held. */
enum err store_open(struct store *s, struct arena *arena, const char *path) WARN_UNUSED;
void store_close(struct store *s);

/* Episode i, whole; everything points into `arena`, which the caller rewinds. */
enum err store_read(struct store_episode *e, struct store *s, int i,
                    struct arena *arena) WARN_UNUSED;

/* Was this value measured? */
static inline bool store_known(const struct store_episode *e, int n_columns, int row, int column)
{
    const size_t bit = (size_t)row * (size_t)n_columns + (size_t)column;
    return e->gaps == NULL || (e->gaps[bit / 8] >> (bit % 8) & 1) == 0;
}

/* Is the load of decision t known? */
static inline bool store_load_known(const struct store_episode *e, int t)
{
    return e->load_gaps == NULL || (e->load_gaps[t / 8] >> (t % 8) & 1) == 0;
}

/* ---- writing ---- */

struct store_writer {
    int fd;
    const char *path; /* borrowed */
};

/* A new file with its header; one that is there is refused: ERR_IO. */
enum err store_create(struct store_writer *w, const char *path,
                      const struct store_header *h) WARN_UNUSED;

/* Go on behind the last whole episode of the file, which must have the same header; *n_episodes is
 * how many it has. A torn tail is cut off, with a warning. */
enum err store_append(struct store_writer *w, int *n_episodes, const char *path,
                      const struct store_header *h) WARN_UNUSED;

/* One frame (codec_put_episode()), in one piece. */
enum err store_put(struct store_writer *w, const void *frame, size_t bytes) WARN_UNUSED;

/* The bytes are on the disk when this returns. Also for a writer that failed: fd -1 does nothing.
 */
enum err store_finish(struct store_writer *w) WARN_UNUSED;

/* ---- merging ---- */

/* All episodes of the files, in their order, as one new file, whole or not at all. Headers must
 * agree; an episode that is in several files is kept once if its bytes are the same, else
 * ERR_MISMATCH: something differs that the header does not say. */
enum err store_merge(const char *to, const char *const *from, int n_from,
                     struct arena *scratch) WARN_UNUSED;

#endif
