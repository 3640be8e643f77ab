/* Trace stores of tests: a header of which only the names matter, episodes put into files. */
#ifndef KARMA_TESTS_STORE_FIXTURE_H
#define KARMA_TESTS_STORE_FIXTURE_H

#include "core/trace/store.h"

/* A header of these names, all borrowed, and periods of 15 s; nothing is split off until the caller
 * sets shares. */
static inline struct store_header store_fixture_header(const char *const *services, int n_services,
                                                       const char *const *columns,
                                                       const char *const *units, int n_columns,
                                                       const char *const *truths, int n_truths)
{
    return (struct store_header){.plant = "p",
                                 .topology = "",
                                 .origin = "o",
                                 .licence = "l",
                                 .services = services,
                                 .columns = columns,
                                 .units = units,
                                 .truths = truths,
                                 .n_services = n_services,
                                 .n_columns = n_columns,
                                 .n_truths = n_truths,
                                 .period_s = 15.0};
}

/* The next episode of an open store; `h` says its shapes. */
static inline enum err store_fixture_put(struct store_writer *w, const struct store_header *h,
                                         const struct store_episode *e)
{
    struct buf frame;
    buf_init(&frame);
    enum err err = codec_put_episode(&frame, e, h);
    if (err == ERR_OK) {
        err = store_put(w, frame.data, frame.len);
    }
    buf_release(&frame);
    return err;
}

/* A new store at `path` of this one episode. */
static inline enum err store_fixture_write(const char *path, const struct store_header *h,
                                           const struct store_episode *e)
{
    struct store_writer w;
    TRY(store_create(&w, path, h));
    TRY(store_fixture_put(&w, h, e));
    return store_finish(&w);
}

#endif
