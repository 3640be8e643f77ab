/* Codec of the numbers of a job. Any count of any values is right: the reader's list knows what it
 * expects. */
#include "proto/numbers.h"
#include "proto/numbers.pb-c.h"
#include "proto/wire.h"

enum err codec_put_numbers(struct buf *out, const struct numbers *r)
{
    Karma__Numbers m;
    karma__numbers__init(&m);
    m.digest = r->digest;
    m.job = r->job;
    m.value = (double *)(uintptr_t)r->value;
    m.n_value = r->n;
    return wire_put(out, FRAME_NUMBERS, CODEC_NUMBERS_VERSION, &m.base);
}

enum err codec_get_numbers(struct numbers *r, const void *bytes, size_t n, const char *source,
                           struct arena *arena)
{
    const Karma__Numbers *m =
        (const void *)wire_get(&karma__numbers__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    *r = (struct numbers){.digest = m->digest, .job = m->job, .value = m->value, .n = m->n_value};
    return ERR_OK;
}
