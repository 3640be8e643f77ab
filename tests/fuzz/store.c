/* Fuzzes store_open() and store_read(): a whole file of transitions, torn ones included. What is
 * read is written by the encoders and read again: the same bytes, and every shape as the header has
 * it. */
#include "tests/fuzz/fuzz.h"
#include "tests/store_fixture.h"

#include <math.h>

static struct buf written; /* what was read, encoded anew */

static enum err encode_all(struct buf *out, struct store *s, struct arena *arena)
{
    TRY(codec_put_store(out, &s->header));
    for (int i = 0; i < s->n_episodes; i++) {
        struct store_episode e;
        const struct arena_mark mark = arena_mark(arena);
        TRY(store_read(&e, s, i, arena));
        CHECK(e.n_steps >= 1 && e.n_steps == s->entries[i].n_steps);
        for (int k = 0; k < (e.n_steps + 1) * s->header.n_columns; k++) {
            CHECK(isfinite(e.state[k]));
        }
        TRY(codec_put_episode(out, &e, &s->header));
        arena_rewind(arena, mark);
    }
    return ERR_OK;
}

static enum err recode(struct buf *out, const unsigned char *bytes, size_t n, struct arena *arena)
{
    struct store s;
    fuzz_to_file(bytes, n);
    TRY(store_open(&s, arena, fuzz_source()));
    const enum err e = encode_all(out, &s, arena);
    store_close(&s);
    return e;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    buf_init(&written);
    const enum err e = recode(&written, bytes, n, scratch);
    if (e != ERR_OK) {
        buf_release(&written);
    }
    return e;
}

static void check(const unsigned char *bytes, size_t n, enum err e)
{
    (void)bytes;
    (void)n;
    if (e == ERR_OK) {
        fuzz_check_recoded(&written, recode);
    }
}

static void seeds(void)
{
    static const char *const services[] = {"a"}, *const columns[] = {"a.cpu", "a.ram"};
    static const char *const units[] = {"mcpu", "MiB"}, *const truths[] = {"received"};
    static const float state[] = {1, 2, 3, 4, 5, 6}, load[] = {7, 8};
    static const int32_t delta[] = {1, -1}, attack[] = {0, 1, 2, 0, -2, 0};
    static const double truth[] = {0.5, 0.25};
    static const uint8_t gaps[] = {0x21};
    struct store_header h = store_fixture_header(services, 1, columns, units, 2, truths, 1);
    h.validation = h.held_out = 0.25;
    struct store_episode e = {.controller = "c",
                              .scenario = "s",
                              .n_steps = 2,
                              .state = state,
                              .delta = delta,
                              .load = load,
                              .truth = truth};
    struct buf b;
    buf_init(&b);
    CHECK(codec_put_store(&b, &h) == ERR_OK);
    fuzz_seed(b.data, b.len);
    CHECK(codec_put_episode(&b, &e, &h) == ERR_OK);
    fuzz_seed(b.data, b.len);
    e.attack = attack;
    e.gaps = gaps;
    e.episode = 1;
    CHECK(codec_put_episode(&b, &e, &h) == ERR_OK);
    fuzz_seed(b.data, b.len);
    fuzz_seed(b.data, b.len - 9); /* torn */
    buf_release(&b);
}

/* Unpacking takes what wire.h allows of two arenas, chunks double; an entry for each frame. */
const struct fuzz_reader fuzz_reader = {
    .fixed = 2 * 1024 * 1024, .each = 512, .read = read, .check = check, .seeds = seeds};
