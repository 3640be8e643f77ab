/* Fuzzes codec_get_record(): an evaluated episode, from a worker to rank 0. */
#include "proto/eval.h"
#include "tests/fuzz/toy.h"

enum { N_METRICS = 3, N_ORG_METRICS = 2 };
static double metrics[N_METRICS], org_metrics[N_ORG_METRICS];
static struct eval_record record;

static enum err begin(struct arena *arena, int variant)
{
    (void)arena;
    for (int i = 0; i < N_METRICS; i++) {
        metrics[i] = 0.25 * (i + variant);
        org_metrics[i % N_ORG_METRICS] = -metrics[i];
    }
    record = (struct eval_record){.controller = 1,
                                  .train = (uint32_t)variant,
                                  .scenario = 300,
                                  .episode = 70000,
                                  .metrics = metrics,
                                  .org_metrics = org_metrics,
                                  .n_metrics = N_METRICS,
                                  .n_org_metrics = variant == 2 ? N_ORG_METRICS : 0};
    return ERR_OK;
}

static enum err read(const unsigned char *bytes, size_t n, struct arena *scratch)
{
    const enum err e =
        codec_get_record(&record, metrics, org_metrics, bytes, n, fuzz_source(), scratch);
    CHECK(record.metrics == metrics && record.n_metrics == N_METRICS);
    CHECK(scratch->bytes == 0); /* rewound */
    return e;
}

static enum err encode(struct buf *out)
{
    return codec_put_record(out, &record);
}

const struct fuzz_reader fuzz_reader = {.fixed = TOY_FIXED,
                                        .each = TOY_EACH,
                                        .begin = begin,
                                        .n_variants = 3,
                                        .read = read,
                                        .encode = encode};
