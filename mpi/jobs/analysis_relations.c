/* Two job lists: one job for each episode that is replayed; then, with the episodes coded as
 * symbols, one job for each test. Rank 0 concludes. See analysis_relations.h. */
#include "mpi/jobs/analysis_relations.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/plant/schema.h"
#include "mpi/jobs/number_jobs.h"
#include "mpi/jobs/relation_files.h"
#include "mpi/jobs/replay_episodes.h"

#include <math.h>
#include <string.h>

/* Moments that are tested at most: of more, an even part of the episodes. */
enum { MOMENTS_MAX = 20000 };

struct work {
    const struct relation_order *order;
    const struct trajectory_set *set;
    struct replay replay;
    /* rank 0: (n_episodes, replaced, A) effects (A) */
    double *effect;
    /* Tests of all windows, one window behind the other: first[k] is the first one of window k. */
    struct relation_data windows[RELATION_WINDOWS + 1]; /* [0]: whole episodes */
    int first[RELATION_WINDOWS + 2];
    struct relation_tested *tested; /* (first[RELATION_WINDOWS + 1]); rank 0 */
    struct arena scratch;
};

/* ---- replaced choices ---- */

/* Decision k of the replaced ones: in the middles of equal parts of the episode. */
static int decision_at(const struct work *w, int n_steps, int k)
{
    return (2 * k + 1) * n_steps / (2 * w->order->replaced);
}

static size_t effects_of_episode(const struct work *w)
{
    return (size_t)(w->order->replaced * w->set->n_agents * w->set->n_agents);
}

static enum err run_replay(void *ctx, int job, struct buf *out)
{
    struct work *w = ctx;
    const struct analysed_episode *e = &w->set->episodes[job];
    struct replay_team *team;
    TRY(replay_first(&team, &w->replay, e));
    for (int k = 0; k < w->order->replaced; k++) {
        for (int a = 0; a < w->set->n_agents; a++) {
            double effect[64]; /* game.agents has at most 64 elements */
            CHECK(w->set->n_agents <= 64);
            TRY(counterfactual_effect(effect, &team->play, a, decision_at(w, e->n_steps, k)));
            TRY(buf_append(out, effect, (size_t)w->set->n_agents * sizeof *effect));
        }
    }
    return ERR_OK;
}

static enum err take_replay(void *ctx, int job, const double *values, size_t n)
{
    struct work *w = ctx;
    if (n != effects_of_episode(w)) {
        log_error("%s/effects.bin: a job has %zu numbers, expected %zu; compute all anew with "
                  "--restart",
                  w->order->dir, n, effects_of_episode(w));
        return ERR_FORMAT;
    }
    memcpy(w->effect + (size_t)job * n, values, n * sizeof *values);
    return ERR_OK;
}

/* Everything that decides an effect: the resolved configuration, the episodes, the decisions. */
static uint64_t digest_of_replays(const struct work *w)
{
    const struct buf *resolved = &w->order->x->resolved;
    uint64_t h = hash_fnv1a(HASH_START, resolved->data, resolved->len);
    h = hash_word(h, (uint64_t)w->order->replaced);
    for (int i = 0; i < w->set->n_episodes; i++) {
        const struct analysed_episode *e = &w->set->episodes[i];
        h = hash_word(hash_word(hash_word(h, e->policy), e->cell_digest), e->episode);
    }
    return h;
}

static enum err run_replays(struct work *w, struct arena *arena, struct comm *comm)
{
    const struct relation_order *o = w->order;
    const struct log_sink sink = log_sink_now();
    if (comm->rank != 0) {
        log_set_sink(log_discard, NULL);
    }
    enum err e = replay_open(&w->replay, arena, w->set, o->x);
    log_set_sink(sink.sink, sink.ctx);
    const bool open = e == ERR_OK;
    e = comm_agree(comm, e);
    const struct number_jobs jobs = {.path = file_join(arena, o->dir, "effects.bin"),
                                     .digest = open ? digest_of_replays(w) : 0,
                                     .n = w->set->n_episodes,
                                     .what = "episodes replayed",
                                     .restart = o->restart,
                                     .lock = o->lock,
                                     .ctx = w,
                                     .run = run_replay,
                                     .take = take_replay};
    if (e == ERR_OK) {
        w->effect = ARENA_NEW(arena, (size_t)w->set->n_episodes * effects_of_episode(w), double);
        e = comm_agree(comm, arena_error(arena));
    }
    if (e == ERR_OK) {
        e = number_jobs_run(comm, &jobs);
    }
    return e;
}

/* ---- symbols ---- */

/* The episodes as sequences of moments, one for each decision. */
struct coded {
    int n_episodes; /* that are used */
    const int *episode;
    struct relation_data data;
    int *begin, *end, *stratum, *symbol, *value;
    const char **values;
    double *effect;
    int *by, *sequence, *step; /* (n_effects) */
};

/* What agents may react to: of services and of all. */
static const char *const service_values[] = {"queue",       "util_10s", "received",
                                             "latency_10s", "ready",    "failed_pods"};
static const char *const global_values[] = {"entry_10s", "entry_trend", "answered", "response"};
enum { SERVICE_VALUES = 6, GLOBAL_VALUES = 4 };

static enum err choose_episodes(struct coded *c, struct arena *arena, const struct work *w)
{
    int n_moments = 0;
    for (int i = 0; i < w->set->n_episodes; i++) {
        n_moments += w->set->episodes[i].n_steps;
    }
    const int each = (n_moments + MOMENTS_MAX - 1) / MOMENTS_MAX;
    int *chosen = ARENA_NEW(arena, w->set->n_episodes, int);
    c->begin = ARENA_NEW(arena, w->set->n_episodes, int);
    c->end = ARENA_NEW(arena, w->set->n_episodes, int);
    TRY(arena_error(arena));
    for (int i = 0; i < w->set->n_episodes; i += each) {
        chosen[c->n_episodes] = i;
        c->begin[c->n_episodes] = c->data.n_moments;
        c->data.n_moments += w->set->episodes[i].n_steps;
        c->end[c->n_episodes++] = c->data.n_moments;
    }
    c->episode = chosen;
    return ERR_OK;
}

/* x (n_moments): a column of the states that decisions saw. */
static void gather(double *x, const struct coded *c, const struct trajectory_set *set, int column)
{
    for (int s = 0; s < c->n_episodes; s++) {
        for (int t = 0; t < c->end[s] - c->begin[s]; t++) {
            x[c->begin[s] + t] = (double)trajectory_state(set, c->episode[s], t)[column];
        }
    }
}

/* Strata of load and attack: terciles of the entry rate, and of whether it rises or falls, since
 * the onset and the end of an attack are what all agents answer to. */
static void code_strata(struct coded *c, const struct trajectory_set *set, double *x, int *level,
                        uint32_t *order)
{
    static const char *const columns[] = {"entry_10s", "entry_trend"};
    const int n = c->data.n_moments;
    for (int k = 0; k < 2; k++) {
        const int column = trajectory_column(set, -1, columns[k]);
        if (column >= 0) {
            gather(x, c, set, column);
            (void)relation_levels(level, x, (uint32_t)n, order);
        }
        for (int i = 0; i < n && column >= 0; i++) {
            c->stratum[i] = c->stratum[i] * RELATION_LEVELS + level[i];
        }
    }
    c->data.sequences.n_strata = RELATION_LEVELS * RELATION_LEVELS;
}

static void code_value(struct coded *c, const struct trajectory_set *set, const char *name,
                       int column, double *x, uint32_t *order)
{
    if (column < 0) {
        return;
    }
    gather(x, c, set, column);
    int *level = c->value + (ptrdiff_t)c->data.n_values * c->data.n_moments;
    if (relation_levels(level, x, (uint32_t)c->data.n_moments, order)) {
        c->values[c->data.n_values++] = name;
    }
}

static void code_symbols(struct coded *c, const struct trajectory_set *set)
{
    for (int a = 0; a < set->n_agents; a++) {
        for (int s = 0; s < c->n_episodes; s++) {
            for (int t = 0; t < c->end[s] - c->begin[s]; t++) {
                c->symbol[(ptrdiff_t)a * c->data.n_moments + c->begin[s] + t] =
                    relation_symbol(trajectory_change(set, c->episode[s], a, t), set->n_services);
            }
        }
    }
}

/* Effects of the episodes that are used. */
static void code_effects(struct coded *c, const struct work *w)
{
    const int n = w->set->n_agents;
    for (int s = 0; s < c->n_episodes && w->effect != NULL; s++) {
        for (int i = 0; i < w->order->replaced * n; i++) {
            const int at = c->data.n_effects++;
            const double *from =
                w->effect + (size_t)c->episode[s] * effects_of_episode(w) + (ptrdiff_t)i * n;
            memcpy(c->effect + (ptrdiff_t)at * n, from, (size_t)n * sizeof *from);
            c->by[at] = i % n;
            c->sequence[at] = s;
            c->step[at] = decision_at(w, c->end[s] - c->begin[s], i / n);
        }
    }
}

static enum err make_room(struct coded *c, struct arena *arena, const struct work *w)
{
    const size_t n = (size_t)c->data.n_moments, n_agents = (size_t)w->set->n_agents;
    const size_t n_values = (size_t)w->set->n_services * SERVICE_VALUES + GLOBAL_VALUES;
    const size_t n_effects = (size_t)(c->n_episodes * w->order->replaced) * n_agents;
    c->stratum = ARENA_NEW(arena, n, int);
    c->symbol = ARENA_NEW(arena, n * n_agents, int);
    c->value = ARENA_NEW(arena, n * n_values, int);
    c->values = ARENA_NEW(arena, n_values, const char *);
    c->effect = ARENA_NEW(arena, n_effects * n_agents, double);
    c->by = ARENA_NEW(arena, n_effects, int);
    c->sequence = ARENA_NEW(arena, n_effects, int);
    c->step = ARENA_NEW(arena, n_effects, int);
    return arena_error(arena);
}

static enum err code(struct coded *c, struct arena *arena, const struct work *w)
{
    const struct trajectory_set *set = w->set;
    *c = (struct coded){0};
    TRY(choose_episodes(c, arena, w));
    TRY(make_room(c, arena, w));
    double *x = ARENA_NEW(arena, c->data.n_moments, double);
    int *level = ARENA_NEW(arena, c->data.n_moments, int);
    uint32_t *order = ARENA_NEW(arena, c->data.n_moments, uint32_t);
    TRY(arena_error(arena));
    code_strata(c, set, x, level, order);
    for (int s = 0; s < set->n_services; s++) {
        for (int k = 0; k < SERVICE_VALUES; k++) {
            const int column = trajectory_column(set, s, service_values[k]);
            code_value(c, set, column >= 0 ? set->columns[column] : "", column, x, order);
        }
    }
    for (int k = 0; k < GLOBAL_VALUES; k++) {
        code_value(c, set, global_values[k], trajectory_column(set, -1, global_values[k]), x,
                   order);
    }
    code_symbols(c, set);
    code_effects(c, w);
    c->data.n_agents = set->n_agents;
    c->data.agents = set->agents;
    c->data.values = c->values;
    c->data.symbol = c->symbol;
    c->data.value = c->value;
    c->data.effect = c->effect;
    c->data.effect_by = c->by;
    c->data.effect_sequence = c->sequence;
    c->data.sequences.n_sequences = c->n_episodes;
    c->data.sequences.begin = c->begin;
    c->data.sequences.end = c->end;
    c->data.sequences.stratum = c->stratum;
    return ERR_OK;
}

/* ---- windows ---- */

/* The part from .. to (of WINDOWS) of each episode, with the effects of decisions in it. What
 * agents react to is tested over whole episodes only. */
static enum err cut(struct relation_data *out, struct arena *arena, const struct coded *c, int from,
                    int to)
{
    *out = c->data;
    int *begin = ARENA_NEW(arena, c->n_episodes, int), *end = ARENA_NEW(arena, c->n_episodes, int);
    double *effect = ARENA_NEW(arena, (size_t)c->data.n_effects * (size_t)c->data.n_agents, double);
    TRY(arena_error(arena));
    for (int s = 0; s < c->n_episodes; s++) {
        const int n = c->end[s] - c->begin[s];
        begin[s] = c->begin[s] + n * from / RELATION_WINDOWS;
        end[s] = c->begin[s] + n * to / RELATION_WINDOWS;
    }
    for (int k = 0; k < c->data.n_effects; k++) {
        const int at = c->begin[c->sequence[k]] + c->step[k];
        const bool inside = at >= begin[c->sequence[k]] && at < end[c->sequence[k]];
        for (int a = 0; a < c->data.n_agents; a++) {
            const ptrdiff_t i = (ptrdiff_t)k * c->data.n_agents + a;
            effect[i] = inside ? c->effect[i] : NAN;
        }
    }
    out->sequences.begin = begin;
    out->sequences.end = end;
    out->effect = effect;
    out->n_values = to - from == RELATION_WINDOWS ? c->data.n_values : 0;
    return ERR_OK;
}

static enum err find_conflicts(struct conflicts *out, struct arena *arena,
                               const struct trajectory_set *set)
{
    TRY(conflicts_init(out, arena, set->n_agents));
    for (int e = 0; e < set->n_episodes; e++) {
        for (int t = 0; t < set->episodes[e].n_steps; t++) {
            conflicts_add(out, trajectory_change(set, e, 0, t),
                          set->episodes[e].delta + (ptrdiff_t)t * set->n_services, set->n_services);
        }
    }
    return ERR_OK;
}

/* ---- tests ---- */

static struct relations_cfg cfg_of(const struct work *w, int window)
{
    struct relations_cfg cfg = w->order->cfg;
    cfg.stream = (uint32_t)window;
    return cfg;
}

static enum err run_test(void *ctx, int job, struct buf *out)
{
    struct work *w = ctx;
    int k = 0;
    while (job >= w->first[k + 1]) {
        k++;
    }
    const struct relations_cfg cfg = cfg_of(w, k);
    struct relation_tested t;
    TRY(relation_test(&t, &w->windows[k], &cfg, job - w->first[k], &w->scratch));
    return buf_append(out, &t, sizeof t);
}

static enum err take_test(void *ctx, int job, const double *values, size_t n)
{
    struct work *w = ctx;
    if (n != sizeof *w->tested / sizeof *values) {
        log_error("%s/tests.bin: a job has %zu numbers, expected %zu; compute all anew with "
                  "--restart",
                  w->order->dir, n, sizeof *w->tested / sizeof *values);
        return ERR_FORMAT;
    }
    memcpy(&w->tested[job], values, sizeof *w->tested);
    return ERR_OK;
}

static uint64_t hash_symbols(uint64_t h, const int *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h = hash_word(h, (uint64_t)symbols[i]);
    }
    return h;
}

/* Everything that decides a test. The other windows are cut from the first one. */
static uint64_t digest_of_tests(const struct work *w)
{
    const struct relation_data *d = &w->windows[0];
    const size_t n = (size_t)d->n_moments, n_sequences = (size_t)d->sequences.n_sequences;
    uint64_t h = hash_word(HASH_START, w->order->cfg.seed);
    h = hash_word(h, (uint64_t)w->order->cfg.permutations);
    h = hash_symbols(h, d->sequences.begin, n_sequences);
    h = hash_symbols(h, d->sequences.end, n_sequences);
    h = hash_symbols(h, d->sequences.stratum, n);
    h = hash_symbols(h, d->symbol, n * (size_t)d->n_agents);
    return hash_symbols(h, d->value, n * (size_t)d->n_values);
}

static enum err run_tests(struct work *w, struct arena *arena, struct comm *comm,
                          const struct coded *c)
{
    enum err e = ERR_OK;
    for (int k = 0; e == ERR_OK && k <= RELATION_WINDOWS; k++) {
        e = cut(&w->windows[k], arena, c, k == 0 ? 0 : k - 1, k == 0 ? RELATION_WINDOWS : k);
        w->first[k + 1] = w->first[k] + (e == ERR_OK ? relation_tests(&w->windows[k]) : 0);
    }
    const int n = w->first[RELATION_WINDOWS + 1];
    w->tested = ARENA_NEW(arena, n, struct relation_tested);
    const struct number_jobs jobs = {.path = file_join(arena, w->order->dir, "tests.bin"),
                                     .digest = e == ERR_OK ? digest_of_tests(w) : 0,
                                     .n = n,
                                     .what = "tests of relations",
                                     .restart = w->order->restart,
                                     .lock = w->order->lock,
                                     .ctx = w,
                                     .run = run_test,
                                     .take = take_test};
    TRY(comm_agree(comm, e == ERR_OK ? arena_error(arena) : e));
    return number_jobs_run(comm, &jobs);
}

/* Rank 0. */
static enum err conclude_and_write(struct work *w, struct arena *arena, const struct coded *c)
{
    struct relation_files files = {.set = w->set,
                                   .dir = w->order->dir,
                                   .level = w->order->cfg.level,
                                   .values = c->values,
                                   .replayed = w->effect != NULL};
    for (int k = 0; k <= RELATION_WINDOWS; k++) {
        const struct relations_cfg cfg = cfg_of(w, k);
        TRY(relations_conclude(&files.windows[k], arena, &w->windows[k], &cfg,
                               w->tested + w->first[k], &w->scratch));
    }
    TRY(find_conflicts(&files.conflicts, arena, w->set));
    TRY(lock_confirm(w->order->lock));
    return relation_files_write(&files, &w->scratch);
}

enum err analysis_relations_run(struct arena *arena, struct comm *comm,
                                const struct relation_order *order)
{
    struct work w = {.order = order, .set = order->set};
    struct coded c;
    if (order->x != NULL) {
        TRY(run_replays(&w, arena, comm));
    }
    TRY(comm_agree(comm, code(&c, arena, &w)));
    arena_init(&w.scratch);
    enum err e = run_tests(&w, arena, comm, &c);
    if (e == ERR_OK) {
        e = comm_agree(comm, comm->rank == 0 ? conclude_and_write(&w, arena, &c) : ERR_OK);
    }
    arena_release(&w.scratch);
    return e;
}

/* Codes of moments with the scratch of coding and of a test; effects, once as computed, once as
 * coded, and once in each window; the tests. */
size_t analysis_relations_bytes(const struct trajectory_sizes *z, int replaced)
{
    const size_t n_agents = (size_t)z->n_agents, n_episodes = (size_t)z->n_episodes;
    const size_t n_values = (size_t)z->n_services * SERVICE_VALUES + GLOBAL_VALUES;
    const size_t all = n_episodes * (size_t)z->n_steps;
    const size_t n = all < MOMENTS_MAX ? all : MOMENTS_MAX + 2 * (size_t)z->n_steps;
    const size_t each = (n_agents + n_values + 8) * sizeof(int) + sizeof(double);
    const size_t effects = n_episodes * (size_t)replaced * n_agents;
    const size_t copies = 2 + RELATION_WINDOWS + 1;
    const size_t tests = (RELATION_WINDOWS + 1) * (2 * n_agents * n_agents + n_agents * n_values);
    return n * each + effects * (copies * n_agents * sizeof(double) + 3 * sizeof(int)) +
           n_episodes * 2 * copies * sizeof(int) + tests * sizeof(struct relation_tested);
}
