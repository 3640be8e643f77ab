/* Memory: arenas. base/mem.c is the only file that calls malloc and free.
 *
 * An arena is a list of chunks that only grows. Modules allocate what they need when they are
 * initialised and never free single pieces; the arena's owner releases everything at once. Hot
 * loops (rollout, update, plant step) allocate nothing: mem_calls() counts, and a test compares.
 *
 * An arena remembers a failure, as a stdio stream does for ferror(3). The first allocation that
 * fails logs how many bytes were asked for; from then on every allocation from that arena returns
 * NULL without trying and without another message. So a constructor allocates all that it needs and
 * asks once:
 *
 *     m->row = ARENA_NEW(arena, n, float);
 *     m->mask = ARENA_NEW(arena, n, uint8_t);
 *     TRY(arena_error(arena));
 *     m->row[0] = 1.0F;
 *
 * Rule: between an allocation and arena_error() its pointer may be stored and passed to another
 * allocation of the same arena (arena_strdup, arena_printf), never read or written through: it may
 * be NULL. Ask before the first access, and before a loop or a callee that makes one. A function
 * that allocates from two arenas asks both.
 *
 * arena_rewind() takes back a failure that came after the mark, with the memory. So ask before it.
 *
 * Sections name who asked: `train --dry-run` prints them as a table (mpi/train/rehearsal.h).
 */
#ifndef KARMA_BASE_MEM_H
#define KARMA_BASE_MEM_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEM_ALIGN = 64, MEM_SECTIONS_MAX = 32 };

struct mem_section {
    const char *name; /* static string */
    size_t bytes;
};

struct mem_chunk;

struct arena {
    struct mem_chunk *head;  /* newest chunk first; owned */
    struct mem_chunk *spare; /* emptied by arena_rewind, used again before malloc; owned */
    size_t bytes;            /* allocated so far, alignment included */
    bool failed;             /* an allocation failed: no further one succeeds */
    struct mem_section sections[MEM_SECTIONS_MAX];
    int n_sections;
    int section; /* current one */
};

struct arena_mark {
    struct mem_chunk *chunk;
    size_t used, bytes;
    size_t section_bytes[MEM_SECTIONS_MAX];
    int n_sections, section;
    bool failed;
};

void arena_init(struct arena *a);
void arena_release(struct arena *a); /* frees every chunk; pointers into it dangle */

/* What follows is counted under `name` (static string). */
void arena_section(struct arena *a, const char *name);

/* Count `bytes` more under `name`, as if they had been allocated: for a dry run of a part. */
void arena_count(struct arena *a, const char *name, size_t bytes);

/* Bytes of the arena that are in memory: of its pages those that were touched. */
size_t arena_resident(const struct arena *a);

/* `n` elements of `size` bytes, zeroed, MEM_ALIGN-aligned; n == 0 gives a valid pointer.
 * NULL when memory is exhausted or n*size overflows: logged once, remembered. */
void *arena_alloc(struct arena *a, size_t n, size_t size);
#define ARENA_NEW(a, n, type) ((type *)arena_alloc((a), (size_t)(n), sizeof(type)))

/* ERR_MEMORY if an allocation from this arena failed since arena_init(), but for what was taken
 * back by arena_rewind(). The failure was logged then; this function logs nothing. */
enum err arena_error(const struct arena *a) WARN_UNUSED;

/* Copy of a string. `s` is not read if the arena has failed: it may come from the same arena. */
char *arena_strdup(struct arena *a, const char *s);
/* printf into the arena; the same holds for its arguments. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Temporary space: everything allocated after the mark is given back (chunks stay for reuse). */
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);

/* A buffer that grows: for bytes whose number is not known beforehand (encoders, file readers).
 * Invariant: data[0..len) is initialised, len <= cap. */
struct buf {
    unsigned char *data; /* owned */
    size_t len, cap;
};
void buf_init(struct buf *b);
void buf_release(struct buf *b);
enum err buf_reserve(struct buf *b, size_t cap) WARN_UNUSED; /* at least cap bytes in all */
enum err buf_append(struct buf *b, const void *src, size_t n) WARN_UNUSED;
enum err buf_printf(struct buf *b, const char *fmt, ...) WARN_UNUSED
    __attribute__((format(printf, 2, 3)));

/* Allocations made by this process so far (malloc, realloc). */
uint64_t mem_calls(void);
/* Bytes asked for by these, freed or not: what reading some input cost is a difference. */
uint64_t mem_bytes(void);

/* Bytes of this process that are in memory now, and at most so far; 0: the system does not say. */
size_t mem_resident(void);
size_t mem_resident_most(void);

/* Pieces that were asked of arenas so far: most come from a chunk that is there already. */
uint64_t mem_pieces(void);

/* Tests: the n-th allocation from now fails, once (n >= 1); 0 = never. */
void mem_fail_after(uint64_t n);
/* The same for the n-th piece of an arena, whether it needs a new chunk or not. So a loop over n
 * finds every place that uses a pointer before it asks arena_error(). */
void mem_fail_piece(uint64_t n);

/* For the one library that wants an allocator of ours (protobuf-c). */
void *mem_alloc(size_t n); /* NULL on failure */
void mem_free(void *p);

#endif
