/* Memory: the only file that calls malloc and free.
 *
 * Invariant of an arena: every byte of a chunk at or above `dirty` has never been handed out and is
 * zero as calloc left it. So fresh memory is zeroed by the kernel, page by page, when it is first
 * touched, and only space that was given back by arena_rewind() is cleared here.
 */
#include "core/base/mem.h"

#include "core/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Under AddressSanitizer free space of a chunk is poisoned, so overruns inside it are found. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_POISON_ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MEM_POISON_ 1
#endif
#ifdef MEM_POISON_
#include <sanitizer/asan_interface.h>
#define mem_poison(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define mem_unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define mem_poison(p, n)   ((void)(p), (void)(n))
#define mem_unpoison(p, n) ((void)(p), (void)(n))
#endif

enum { CHUNK_MIN = 64 * 1024, CHUNK_MAX = 4 * 1024 * 1024, BUF_MIN = 256 };

struct mem_chunk {
    struct mem_chunk *next; /* older */
    unsigned char *base;    /* MEM_ALIGN-aligned, inside this allocation */
    size_t cap, used, dirty;
};

/* Counters of the process; nothing that is computed depends on them. */
static uint64_t n_calls;
static uint64_t n_bytes;
static uint64_t n_pieces;
static uint64_t fail_at;       /* the value of n_calls that fails; 0 = never */
static uint64_t piece_fail_at; /* the value of n_pieces that fails; 0 = never */

static void log_exhausted(size_t bytes)
{
    log_error("out of memory: %zu bytes were asked for; free memory on this machine, ask the batch "
              "system for more, or make the configuration smaller",
              bytes);
}

/* Counts a request; false for the one that a test chose to fail. */
static bool call_may_succeed(size_t bytes)
{
    n_calls++;
    n_bytes += bytes;
    return fail_at == 0 || n_calls != fail_at;
}

uint64_t mem_calls(void)
{
    return n_calls;
}

uint64_t mem_bytes(void)
{
    return n_bytes;
}

uint64_t mem_pieces(void)
{
    return n_pieces;
}

void mem_fail_after(uint64_t n)
{
    fail_at = n == 0 ? 0 : n_calls + n;
}

void mem_fail_piece(uint64_t n)
{
    piece_fail_at = n == 0 ? 0 : n_pieces + n;
}

void *mem_alloc(size_t n)
{
    void *p = call_may_succeed(n) ? malloc(n != 0 ? n : 1) : NULL;
    if (p == NULL) {
        log_exhausted(n);
    }
    return p;
}

void mem_free(void *p)
{
    free(p);
}

/* ---- arenas ---- */

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

static void chunks_free(struct mem_chunk *c)
{
    while (c != NULL) {
        struct mem_chunk *next = c->next;
        mem_unpoison(c->base, c->cap);
        free(c);
        c = next;
    }
}

void arena_release(struct arena *a)
{
    chunks_free(a->head);
    chunks_free(a->spare);
    arena_init(a);
}

void arena_section(struct arena *a, const char *name)
{
    for (int i = 0; i < a->n_sections; i++) {
        if (strcmp(a->sections[i].name, name) == 0) {
            a->section = i;
            return;
        }
    }
    CHECK(a->n_sections < MEM_SECTIONS_MAX);
    a->sections[a->n_sections] = (struct mem_section){name, 0};
    a->section = a->n_sections++;
}

void arena_count(struct arena *a, const char *name, size_t bytes)
{
    /* The current section stays what it was. If there was none, the new one becomes the current
     * one, so that `section` is a valid index. */
    const int before = a->n_sections > 0 ? a->section : -1;
    arena_section(a, name);
    a->sections[a->section].bytes += bytes;
    a->bytes += bytes;
    a->section = before >= 0 ? before : a->section;
}

/* ---- what is in memory ---- */

enum { PAGES_AT_ONCE = 4096 };

static size_t range_resident(uintptr_t begin, uintptr_t end)
{
    /* mincore() tells one byte for each page, so the range is asked in portions that fit the stack.
     * Pages at the two ends count as a whole, though others may share them. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char in_memory[PAGES_AT_ONCE];
    size_t n = 0;
    for (uintptr_t at = begin / page * page; at < end; at += PAGES_AT_ONCE * page) {
        const size_t left = (end - at + page - 1) / page;
        const size_t pages = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;
        if (mincore((void *)at, pages * page, in_memory) != 0) {
            return end - begin; /* unknown: all of it */
        }
        for (size_t i = 0; i < pages; i++) {
            n += in_memory[i] & 1;
        }
    }
    return n * page;
}

size_t arena_resident(const struct arena *a)
{
    size_t bytes = 0;
    for (const struct mem_chunk *c = a->head; c != NULL; c = c->next) {
        bytes += range_resident((uintptr_t)c, (uintptr_t)c->base + c->cap);
    }
    return bytes;
}

size_t mem_resident(void)
{
    unsigned long long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL) {
        return 0;
    }
    const bool known = fscanf(f, "%llu %llu", &total, &resident) == 2;
    (void)fclose(f);
    return known ? (size_t)resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t mem_resident_most(void)
{
    struct rusage used;
    return getrusage(RUSAGE_SELF, &used) == 0 ? (size_t)used.ru_maxrss * 1024 : 0;
}

/* ---- chunks ---- */

static struct mem_chunk *chunk_new(size_t cap)
{
    size_t total = sizeof(struct mem_chunk) + MEM_ALIGN + cap;
    struct mem_chunk *c = call_may_succeed(total) ? calloc(1, total) : NULL;
    if (c == NULL) {
        log_exhausted(total);
        return NULL;
    }
    /* The header stands in front. MEM_ALIGN bytes more than needed were asked for, so after
     * rounding up to a multiple of MEM_ALIGN `cap` bytes are left. */
    uintptr_t after = (uintptr_t)(c + 1);
    c->base = (unsigned char *)(c + 1) + (MEM_ALIGN - after % MEM_ALIGN) % MEM_ALIGN;
    c->cap = cap;
    mem_poison(c->base, c->cap);
    return c;
}

/* A spare chunk that is large enough, unlinked; NULL = none. */
static struct mem_chunk *take_spare(struct arena *a, size_t need)
{
    for (struct mem_chunk **at = &a->spare; *at != NULL; at = &(*at)->next) {
        if ((*at)->cap >= need) {
            struct mem_chunk *c = *at;
            *at = c->next;
            return c;
        }
    }
    return NULL;
}

static bool open_chunk(struct arena *a, size_t need)
{
    struct mem_chunk *c = take_spare(a, need);
    if (c == NULL) {
        /* Doubling up to CHUNK_MAX: few chunks for a large arena, little waste for a small one. A
         * larger piece gets a chunk of its own size. What is left of the chunk before is not used
         * again until a rewind. */
        size_t grown = a->head != NULL ? 2 * a->head->cap : CHUNK_MIN;
        size_t cap = grown < CHUNK_MAX ? grown : CHUNK_MAX;
        c = chunk_new(cap > need ? cap : need);
    }
    if (c == NULL) {
        return false;
    }
    c->next = a->head;
    a->head = c;
    return true;
}

/* `need` bytes (a multiple of MEM_ALIGN) of which the first `shown` may be touched. */
static void *chunk_take(struct mem_chunk *c, size_t need, size_t shown)
{
    unsigned char *p = c->base + c->used;
    mem_unpoison(p, shown);
    /* Only the bytes that were handed out before (below `dirty`) can hold something; those above
     * are zero by the invariant at the top. The rest of `need` behind `shown` is padding: it is
     * below `dirty` from now on, and is cleared when it is handed out again. */
    if (c->used < c->dirty) {
        size_t stale = c->dirty - c->used;
        memset(p, 0, stale < shown ? stale : shown);
    }
    c->used += need;
    c->dirty = c->used > c->dirty ? c->used : c->dirty;
    return p;
}

enum err arena_error(const struct arena *a)
{
    return a->failed ? ERR_MEMORY : ERR_OK;
}

static void *fail(struct arena *a)
{
    a->failed = true;
    return NULL;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    if (a->failed) {
        return NULL;
    }
    size_t bytes;
    /* A quarter of the address space is far beyond any memory, and keeps the roundings and sums
     * below from overflowing. */
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4) {
        log_error("out of memory: %zu elements of %zu bytes are more than can be addressed", n,
                  size);
        return fail(a);
    }
    if (++n_pieces == piece_fail_at) {
        log_exhausted(bytes);
        return fail(a);
    }
    size_t need = bytes == 0 ? MEM_ALIGN : (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    bool fits = a->head != NULL && a->head->cap - a->head->used >= need;
    if (!fits && !open_chunk(a, need)) {
        return fail(a);
    }
    if (a->n_sections == 0) {
        arena_section(a, "other");
    }
    a->bytes += need;
    a->sections[a->section].bytes += need;
    return chunk_take(a->head, need, bytes);
}

char *arena_strdup(struct arena *a, const char *s)
{
    if (a->failed) {
        return NULL;
    }
    size_t n = strlen(s) + 1;
    char *copy = arena_alloc(a, n, 1);
    if (copy != NULL) {
        memcpy(copy, s, n);
    }
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    if (a->failed) {
        return NULL;
    }
    /* A list of arguments can be walked once: the first walk measures, the second one writes. */
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(n >= 0);
    char *s = arena_alloc(a, (size_t)n + 1, 1);
    if (s != NULL) {
        vsnprintf(s, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return s;
}

struct arena_mark arena_mark(const struct arena *a)
{
    /* A mark is the state by value. Memory after it is what newer chunks hold, and what is above
     * `used` in the chunk that was the newest then. */
    struct arena_mark m = {.chunk = a->head,
                           .used = a->head != NULL ? a->head->used : 0,
                           .bytes = a->bytes,
                           .n_sections = a->n_sections,
                           .section = a->section,
                           .failed = a->failed};
    for (int i = 0; i < a->n_sections; i++) {
        m.section_bytes[i] = a->sections[i].bytes;
    }
    return m;
}

static void chunk_rewind(struct mem_chunk *c, size_t used)
{
    c->used = used;
    mem_poison(c->base + used, c->cap - used);
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
    /* Chunks are listed newest first, so those in front of the marked one are exactly those opened
     * after the mark. They are kept as spares; `dirty` stays, which tells chunk_take() to clear. */
    while (a->head != m.chunk) {
        struct mem_chunk *c = a->head;
        CHECK(c != NULL); /* else the mark is of another arena, or older than a release */
        a->head = c->next;
        c->next = a->spare;
        a->spare = c;
        chunk_rewind(c, 0);
    }
    if (a->head != NULL) {
        CHECK(m.used <= a->head->used);
        chunk_rewind(a->head, m.used);
    }
    a->bytes = m.bytes;
    a->failed = m.failed;
    a->n_sections = m.n_sections;
    a->section = m.section;
    for (int i = 0; i < a->n_sections; i++) {
        a->sections[i].bytes = m.section_bytes[i];
    }
}

/* ---- growing buffers ---- */

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_release(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

enum err buf_reserve(struct buf *b, size_t cap)
{
    if (cap <= b->cap) {
        return ERR_OK;
    }
    unsigned char *data = call_may_succeed(cap) ? realloc(b->data, cap) : NULL;
    if (data == NULL) {
        log_exhausted(cap);
        return ERR_MEMORY;
    }
    b->data = data;
    b->cap = cap;
    return ERR_OK;
}

/* Room for `n` more bytes, at least doubling, so that appending is linear over all. */
static enum err buf_grow(struct buf *b, size_t n)
{
    size_t need;
    if (__builtin_add_overflow(b->len, n, &need)) {
        log_error("out of memory: a buffer would be larger than can be addressed");
        return ERR_MEMORY;
    }
    if (need <= b->cap) {
        return ERR_OK;
    }
    /* With capacities that at least double, appending n bytes copies less than 2 n bytes in all. */
    size_t doubled = b->cap <= SIZE_MAX / 2 ? 2 * b->cap : need;
    size_t cap = doubled > BUF_MIN ? doubled : BUF_MIN;
    return buf_reserve(b, cap > need ? cap : need);
}

enum err buf_append(struct buf *b, const void *src, size_t n)
{
    if (n == 0) {
        return ERR_OK; /* src may be NULL */
    }
    TRY(buf_grow(b, n));
    memcpy(b->data + b->len, src, n);
    b->len += n;
    return ERR_OK;
}

enum err buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(n >= 0);
    enum err e = buf_grow(b, (size_t)n + 1); /* vsnprintf writes a NUL, which is not counted */
    if (e == ERR_OK) {
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return e;
}
