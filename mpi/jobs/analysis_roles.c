/* Two job lists: distances and shuffles; then the rest. See analysis_roles.h. */
#include "mpi/jobs/analysis_roles.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "mpi/jobs/number_jobs.h"

#include <math.h>
#include <string.h>

enum { PAIRS_OF_JOB = 8192, REST_OF_JOB = 64 };

/* Jobs: first the distances, PAIRS_OF_JOB of the condensed matrix each; then the observed part of
 * the test; then the shuffles of each kind in turn. */
struct work {
    const struct role_order *order;
    const struct sequences *q;
    const struct role_sample *sample;
    struct arena scratch;
    double *row; /* of distances */
    size_t n_pairs;
    int n_distance_jobs;
    /* rank 0 */
    double *distance, *observed, *shuffled[ROLE_NULLS]; /* (shuffles, k_max + 1) */
    /* the rest */
    const int *medoid;
    int k;
    float *lo, *hi;
    int *of_rest; /* (n_rest) branch; rank 0 */
    struct role_spared spared;
};

/* ---- digests ---- */

static uint64_t word_of(double v)
{
    uint64_t word;
    memcpy(&word, &v, sizeof word);
    return word;
}

/* Sequences hold what the set and the steps came to; the shuffles start from them, too. */
static uint64_t digest_of(const struct work *w)
{
    const struct role_cfg *c = w->order->cfg;
    const uint64_t words[] = {(uint64_t)c->distance.kind,
                              (uint64_t)c->distance.relative,
                              word_of(c->distance.band),
                              (uint64_t)c->k_max,
                              (uint64_t)c->sample,
                              (uint64_t)c->null_trajectories,
                              (uint64_t)c->shuffles,
                              c->seed,
                              (uint64_t)w->order->set->n_agents,
                              (uint64_t)c->steps.ngram,
                              (uint64_t)c->steps.observed};
    uint64_t h = sequences_digest(w->q);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        h = hash_word(h, words[i]);
    }
    for (int i = 0; i < w->q->n; i++) {
        h = hash_word(h, (uint64_t)w->q->distinct[i]);
    }
    return h;
}

/* ---- distances and shuffles ---- */

/* Row and column of an index of the condensed matrix: rows get shorter by one each. */
static void pair_at(int *i, int *j, size_t at, int n)
{
    *i = 0;
    while (at >= (size_t)(n - 1 - *i)) {
        at -= (size_t)(n - 1 - *i);
        (*i)++;
    }
    *j = *i + 1 + (int)at;
}

static enum err run_distances(struct work *w, int job, struct buf *out)
{
    const size_t from = (size_t)job * PAIRS_OF_JOB;
    const size_t to = from + PAIRS_OF_JOB < w->n_pairs ? from + PAIRS_OF_JOB : w->n_pairs;
    int i, j;
    pair_at(&i, &j, from, w->sample->n);
    for (size_t at = from; at < to; at++) {
        const double d = distance_of_pair(w->q, &w->order->cfg->distance, w->sample->distinct[i],
                                          w->sample->distinct[j], INFINITY, w->row);
        TRY(buf_append(out, &d, sizeof d));
        if (++j == w->sample->n) {
            i++;
            j = i + 1;
        }
    }
    return ERR_OK;
}

static enum role_null null_of(int test)
{
    return test == 0 ? ROLE_OBSERVED : (test - 1) % 2 == 0 ? ROLE_NULL_AGENTS : ROLE_NULL_TIME;
}

static enum err run_job(void *ctx, int job, struct buf *out)
{
    struct work *w = ctx;
    double s[ROLE_CLUSTERS_MAX + 1];
    if (job < w->n_distance_jobs) {
        return run_distances(w, job, out);
    }
    const int test = job - w->n_distance_jobs, draw = test == 0 ? 0 : (test - 1) / 2;
    TRY(role_null_silhouettes(s, w->order->set, w->order->cfg, null_of(test), draw, &w->scratch));
    return buf_append(out, s, (size_t)(w->order->cfg->k_max + 1) * sizeof *s);
}

static enum err check_length(const struct work *w, size_t found, size_t expected)
{
    if (found != expected) {
        log_error(
            "%s/roles.bin: a job has %zu numbers, expected %zu; compute all anew with --restart",
            w->order->dir, found, expected);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static enum err take_job(void *ctx, int job, const double *values, size_t n)
{
    struct work *w = ctx;
    const size_t width = (size_t)w->order->cfg->k_max + 1;
    if (job < w->n_distance_jobs) {
        const size_t from = (size_t)job * PAIRS_OF_JOB;
        const size_t most = w->n_pairs - from;
        TRY(check_length(w, n, most < PAIRS_OF_JOB ? most : PAIRS_OF_JOB));
        memcpy(w->distance + from, values, n * sizeof *values);
        return ERR_OK;
    }
    const int test = job - w->n_distance_jobs;
    TRY(check_length(w, n, width));
    double *to =
        test == 0 ? w->observed : w->shuffled[null_of(test)] + (size_t)((test - 1) / 2) * width;
    memcpy(to, values, n * sizeof *values);
    return ERR_OK;
}

static enum err make_room(struct work *w, struct arena *arena, bool root)
{
    const size_t width = (size_t)w->order->cfg->k_max + 1;
    w->row = ARENA_NEW(arena, distance_scratch(w->q), double);
    if (root) {
        w->distance = ARENA_NEW(arena, w->n_pairs, double);
        w->observed = ARENA_NEW(arena, width, double);
        for (int kind = ROLE_NULL_AGENTS; kind < ROLE_NULLS; kind++) {
            w->shuffled[kind] = ARENA_NEW(arena, (size_t)w->order->cfg->shuffles * width, double);
        }
        w->of_rest = ARENA_NEW(arena, w->sample->n_rest, int);
    }
    return arena_error(arena);
}

static enum err run_list(struct work *w, struct arena *arena, struct comm *comm)
{
    const struct number_jobs jobs = {
        .path = file_join(arena, w->order->dir, "roles.bin"),
        .digest = digest_of(w),
        .n = w->n_distance_jobs + 1 + 2 * w->order->cfg->shuffles,
        .what = "distances",
        .restart = w->order->restart,
        .lock = w->order->lock,
        .ctx = w,
        .run = run_job,
        .take = take_job,
    };
    TRY(comm_agree(comm, arena_error(arena)));
    return number_jobs_run(comm, &jobs);
}

/* ---- the rest ---- */

static enum err run_rest(void *ctx, int job, struct buf *out)
{
    struct work *w = ctx;
    const int from = job * REST_OF_JOB;
    struct role_spared spared = {0.0, 0.0, 0.0, 0.0};
    for (int i = from; i < from + REST_OF_JOB && i < w->sample->n_rest; i++) {
        const double c = roles_nearest(&spared, w->q, w->order->cfg, w->medoid, w->k, w->lo, w->hi,
                                       w->sample->rest[i], w->row);
        TRY(buf_append(out, &c, sizeof c));
    }
    return buf_append(out, &spared, sizeof spared);
}

static enum err take_rest(void *ctx, int job, const double *values, size_t n)
{
    struct work *w = ctx;
    const int from = job * REST_OF_JOB, left = w->sample->n_rest - from;
    const int count = left < REST_OF_JOB ? left : REST_OF_JOB;
    TRY(check_length(w, n, (size_t)count + sizeof w->spared / sizeof *values));
    for (int i = 0; i < count; i++) {
        w->of_rest[from + i] = (int)values[i];
    }
    w->spared.pairs += values[count];
    w->spared.ends += values[count + 1];
    w->spared.box += values[count + 2];
    w->spared.abandoned += values[count + 3];
    return ERR_OK;
}

/* Medoids from rank 0 to all. */
static enum err share_medoids(struct work *w, struct arena *arena, struct comm *comm,
                              const struct roles *r)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm->rank == 0
                     ? buf_append(&b, r->medoid, (size_t)r->branches * sizeof *r->medoid)
                     : ERR_OK;
    e = comm_agree(comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(comm, 0, &b);
    }
    if (e == ERR_OK) {
        w->k = (int)(b.len / sizeof(int));
        int *medoid = ARENA_NEW(arena, w->k, int);
        const size_t cells = (size_t)w->k * (size_t)w->q->longest * (size_t)w->q->n_dims;
        w->lo = ARENA_NEW(arena, cells, float);
        w->hi = ARENA_NEW(arena, cells, float);
        e = arena_error(arena);
        if (e == ERR_OK) {
            memcpy(medoid, b.data, b.len);
            w->medoid = medoid;
        }
    }
    buf_release(&b);
    return comm_agree(comm, e);
}

static enum err assign_rest(struct work *w, struct arena *arena, struct comm *comm,
                            const struct roles *r)
{
    TRY(share_medoids(w, arena, comm, r));
    const ptrdiff_t cells = (ptrdiff_t)w->q->longest * w->q->n_dims;
    uint64_t digest = digest_of(w);
    for (int c = 0; c < w->k; c++) {
        dtw_envelope(w->lo + c * cells, w->hi + c * cells, w->q, &w->order->cfg->distance,
                     w->medoid[c], w->q->longest);
        digest = hash_word(digest, (uint64_t)w->medoid[c]);
    }
    const struct number_jobs jobs = {
        .path = file_join(arena, w->order->dir, "rest.bin"),
        .digest = digest,
        .n = (w->sample->n_rest + REST_OF_JOB - 1) / REST_OF_JOB,
        .what = "nearest medoids",
        .restart = w->order->restart,
        .lock = w->order->lock,
        .ctx = w,
        .run = run_rest,
        .take = take_rest,
    };
    TRY(comm_agree(comm, arena_error(arena)));
    return number_jobs_run(comm, &jobs);
}

static void label_rest(const struct work *w, struct roles *r)
{
    for (int i = 0; i < w->q->n; i++) {
        for (int lo = 0, hi = w->sample->n_rest; r->label[i] < 0;) { /* `rest` ascends */
            const int middle = (lo + hi) / 2, found = w->sample->rest[middle];
            if (found == w->q->distinct[i]) {
                r->label[i] = r->role_of[w->of_rest[middle]];
            } else if (found < w->q->distinct[i]) {
                lo = middle + 1;
            } else {
                hi = middle;
            }
        }
    }
}

/* ---- all ---- */

enum err analysis_roles_check(const struct trajectory_set *set, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    int *part = ARENA_NEW(scratch, set->n_episodes, int), most = 0;
    TRY(arena_error(scratch));
    if (set->n_agents < 2) {
        log_error("'%s' has one agent; roles are what distinguishes agents, so at least two are "
                  "needed",
                  set->controller);
        return ERR_USAGE;
    }
    TRY(role_parts(part, set, scratch));
    for (int e = 0; e < set->n_episodes; e++) {
        most = part[e] > most ? part[e] : most;
    }
    arena_rewind(scratch, mark);
    if (most < RULE_PARTS - 1) {
        log_error("'%s': %d different episode%s; at least %d are needed, since rules are learned, "
                  "pruned and judged on different ones (eval.episodes)",
                  set->controller, most + 1, most == 0 ? "" : "s", RULE_PARTS);
        return ERR_USAGE;
    }
    return ERR_OK;
}

/* Rank 0 alone has the distances. */
static enum err conclude(struct role_report *out, struct arena *arena, struct comm *comm,
                         struct work *w, struct roles *r)
{
    const struct role_order *o = w->order;
    if (comm->rank == 0) {
        TRY(roles_init(r, arena, o->set, w->q, o->cfg, w->sample, w->distance, w->observed,
                       w->shuffled[ROLE_NULL_AGENTS], w->shuffled[ROLE_NULL_TIME], o->cfg->shuffles,
                       &w->scratch));
    }
    if (w->sample->n_rest > 0) {
        TRY(assign_rest(w, arena, comm, r));
    }
    if (comm->rank != 0) {
        return ERR_OK;
    }
    label_rest(w, r);
    TRY(roles_finish(r, &w->scratch));
    return role_report_init(out, arena, r, &w->spared, &w->scratch);
}

enum err analysis_roles_run(struct role_report *out, struct arena *arena, struct comm *comm,
                            const struct role_order *order)
{
    struct sequences *q = ARENA_NEW(arena, 1, struct sequences);
    struct role_sample *sample = ARENA_NEW(arena, 1, struct role_sample);
    struct roles *r = ARENA_NEW(arena, 1, struct roles);
    struct work w = {.order = order, .q = q, .sample = sample};
    enum err e = arena_error(arena);
    arena_init(&w.scratch);
    if (e == ERR_OK) {
        e = sequences_init(q, arena, order->set, &order->cfg->steps);
    }
    if (e == ERR_OK) {
        e = role_sample_init(sample, arena, q, order->cfg);
    }
    if (e == ERR_OK) {
        w.n_pairs = sample->n > 1 ? pair_count(sample->n) : 0;
        w.n_distance_jobs = (int)((w.n_pairs + PAIRS_OF_JOB - 1) / PAIRS_OF_JOB);
        e = make_room(&w, arena, comm->rank == 0);
    }
    e = comm_agree(comm, e);
    if (e == ERR_OK) {
        e = run_list(&w, arena, comm);
    }
    if (e == ERR_OK) {
        e = comm_agree(comm, conclude(out, arena, comm, &w, r));
    }
    arena_release(&w.scratch);
    return e;
}

/* The matrix and the copy that linkage overwrites, the cophenetic distances; rows of the tree. */
size_t analysis_roles_bytes(const struct role_cfg *cfg, int n, int n_steps, int n_services)
{
    const size_t points = (size_t)(n < cfg->sample ? n : cfg->sample);
    const size_t symbols = (size_t)n * (size_t)n_steps * sizeof(int32_t);
    const size_t table = (size_t)SEQUENCE_TABLE_MAX * SEQUENCE_TABLE_MAX * sizeof(double);
    const size_t attributed = (size_t)n * (ROLE_CLUSTERS_MAX + 8) * sizeof(int);
    const size_t vectors =
        (size_t)n * (size_t)n_steps * (size_t)cfg->steps.ngram * (size_t)n_services * sizeof(float);
    return 3 * points * points / 2 * sizeof(double) + symbols + table + vectors + attributed;
}
