/* Tests of single pairs; then p-values are adjusted family by family. See relations.h. */
#include "core/analysis/relations.h"

#include "core/base/fmath.h"
#include "core/base/twoway.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { EFFECT_RESAMPLES = 1999 };

/* ---- coding ---- */

int relation_symbol(const int32_t *change, int n_services)
{
    int sum = 0;
    for (int s = 0; s < n_services; s++) {
        sum += change[s];
    }
    return sum == 0 ? 0 : sum < 0 ? 1 : 2;
}

/* Level = number of terciles that a value exceeds. If more than a third of the values are equal and
 * both terciles are this value, levels are below, equal and above. */
bool relation_levels(int *level, const double *x, uint32_t n, uint32_t *order)
{
    if (n == 0) {
        return false;
    }
    const double low = stat_quantile(x, n, 1.0 / 3.0, order);
    const double high = stat_quantile(x, n, 2.0 / 3.0, order);
    bool varies = false;
    for (uint32_t i = 0; i < n; i++) {
        level[i] = low < high ? (x[i] > low) + (x[i] > high) : (x[i] >= low) + (x[i] > low);
        varies = varies || level[i] != level[0];
    }
    return varies;
}

/* ---- tests ---- */

/* Tests of a family whose p-values are adjusted together. */
struct family {
    double *p, *q; /* (n) */
    struct relation **of;
    uint32_t n, most;
};

static enum err family_init(struct family *f, struct arena *arena, uint32_t most)
{
    *f = (struct family){.most = most,
                         .p = ARENA_NEW(arena, most, double),
                         .q = ARENA_NEW(arena, most, double),
                         .of = ARENA_NEW(arena, most, struct relation *)};
    return arena_error(arena);
}

static void family_add(struct family *f, struct relation *of, double p)
{
    CHECK(f->n < f->most);
    f->p[f->n] = p;
    f->of[f->n++] = of;
}

/* order: scratch (n). */
static void family_adjust(struct family *f, uint32_t *order, double level)
{
    stat_benjamini_hochberg(f->q, f->p, f->n, order);
    for (uint32_t i = 0; i < f->n; i++) {
        f->of[i]->q = f->q[i];
        f->of[i]->found = f->q[i] <= level;
    }
}

/* The tests of information in their order: for each pair (i, j) that of TE(i -> j), and for i < j
 * that of SY(i, j) behind it; then the reactions, agent by agent. The order numbers the streams of
 * random draws. */
enum kind { TRANSFER, SYNCHRONY, REACTION };
struct test {
    enum kind kind;
    int i, j; /* agents; of a reaction the agent and the value */
};

static int pair_tests(int n_agents)
{
    return n_agents * (n_agents - 1) + n_agents * (n_agents - 1) / 2;
}

int relation_tests(const struct relation_data *d)
{
    return pair_tests(d->n_agents) + d->n_agents * d->n_values;
}

static struct test test_at(const struct relation_data *d, int index)
{
    const int n = d->n_agents;
    if (index >= pair_tests(n)) {
        index -= pair_tests(n);
        return (struct test){REACTION, index / d->n_values, index % d->n_values};
    }
    for (int pair = 0;; pair++) {
        const int i = pair / n, j = pair % n, here = i == j ? 0 : i < j ? 2 : 1;
        if (index < here) {
            return (struct test){index == 0 ? TRANSFER : SYNCHRONY, i, j};
        }
        index -= here;
    }
}

static enum err rows_of(struct info_rows *out, const struct relation_data *d, struct test t,
                        struct arena *scratch)
{
    const int *i = d->symbol + (ptrdiff_t)t.i * d->n_moments;
    if (t.kind == REACTION) {
        return info_rows_reaction(out, scratch, d->value + (ptrdiff_t)t.j * d->n_moments,
                                  RELATION_LEVELS, i, RELATION_SYMBOLS, &d->sequences);
    }
    const int *j = d->symbol + (ptrdiff_t)t.j * d->n_moments;
    return t.kind == TRANSFER
               ? info_rows_transfer(out, scratch, i, j, RELATION_SYMBOLS, 1, &d->sequences)
               : info_rows_synchrony(out, scratch, i, j, RELATION_SYMBOLS, &d->sequences);
}

enum err relation_test(struct relation_tested *out, const struct relation_data *d,
                       const struct relations_cfg *cfg, int index, struct arena *scratch)
{
    const uint32_t streams_each = 1U << 16;
    const struct arena_mark mark = arena_mark(scratch);
    const struct info_test_cfg test = {.seed = cfg->seed,
                                       .stream = cfg->stream * streams_each + (uint32_t)index,
                                       .permutations = cfg->permutations};
    struct info_rows rows;
    struct info_test t;
    CHECK(index >= 0 && index < relation_tests(d) && cfg->permutations >= 1);
    enum err e = rows_of(&rows, d, test_at(d, index), scratch);
    if (e == ERR_OK) {
        e = info_test(&t, &rows, &test, scratch);
    }
    if (e == ERR_OK) {
        *out = (struct relation_tested){.bits = t.value.bits, .bias = t.value.bias, .p = t.p};
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- from tests to relations ---- */

/* What a call works with. */
struct finding {
    const struct relation_data *d;
    const struct relations_cfg *cfg;
    struct relations *r;
    const struct relation_tested *tested; /* the next one that is taken */
    struct family edges, transfers, reactions;
    struct arena *scratch;
};

static struct relation *cell(const struct finding *f, struct relation *of, int i, int j)
{
    return &of[i * f->d->n_agents + j];
}

static void take_test(struct relation *out, struct finding *f, struct family *family)
{
    const struct relation_tested *t = f->tested++;
    *out = (struct relation){
        .strength = t->bits, .bias = t->bias, .p = t->p, .q = NAN, .lo = NAN, .hi = NAN};
    family_add(family, out, t->p);
}

/* ---- authority ---- */

/* Mean effects of one sequence: out[0] of i on j, out[1] of j on i; NaN where nothing was replaced.
 */
static void mean_effects(double out[2], const struct relation_data *d, int sequence, int i, int j)
{
    double sum[2] = {0};
    int n[2] = {0};
    for (int k = 0; k < d->n_effects; k++) {
        const int side = d->effect_by[k] == i ? 0 : d->effect_by[k] == j ? 1 : -1;
        const double *effect = d->effect + (ptrdiff_t)k * d->n_agents;
        if (side >= 0 && d->effect_sequence[k] == sequence && !isnan(effect[side == 0 ? j : i])) {
            sum[side] += effect[side == 0 ? j : i];
            n[side]++;
        }
    }
    for (int side = 0; side < 2; side++) {
        out[side] = n[side] > 0 ? sum[side] / n[side] : NAN;
    }
}

/* The mean effect of i on j and its interval, from that of each of n sequences, which are
 * independent. Each direction has a stream of its own. */
static enum err put_effect(struct relation *out, const struct finding *f, const double *effect,
                           uint32_t n, int i, int j)
{
    char of[24], on[24];
    struct stat_interval s;
    (void)snprintf(of, sizeof of, "%d", i);
    (void)snprintf(on, sizeof on, "%d in %" PRIu32, j, f->cfg->stream);
    const struct stat_cfg cfg = {.seed = f->cfg->seed,
                                 .stream = STAT_STREAM("effect", of, on),
                                 .resamples = EFFECT_RESAMPLES,
                                 .level = 1.0 - f->cfg->level};
    TRY(stat_bootstrap_corrected(&s, effect, n, &cfg, f->scratch));
    *out = (struct relation){.strength = s.value, .lo = s.lo, .hi = s.hi, .p = NAN, .q = NAN};
    return ERR_OK;
}

/* Both directions get the two-sided p-value of the difference; only the stronger one can be found.
 * The test enters the family once. */
static enum err test_authority(struct finding *f, int i, int j)
{
    const struct relation_data *d = f->d;
    const struct arena_mark mark = arena_mark(f->scratch);
    struct relation *forth = cell(f, f->r->authority, i, j);
    struct relation *back = cell(f, f->r->authority, j, i);
    double *difference = ARENA_NEW(f->scratch, d->sequences.n_sequences, double);
    double *of_sequence[2] = {ARENA_NEW(f->scratch, d->sequences.n_sequences, double),
                              ARENA_NEW(f->scratch, d->sequences.n_sequences, double)};
    TRY(arena_error(f->scratch));
    double p = 1.0;
    uint32_t n = 0;
    for (int s = 0; s < d->sequences.n_sequences; s++) {
        double mean[2];
        mean_effects(mean, d, s, i, j);
        if (!isnan(mean[0]) && !isnan(mean[1])) {
            of_sequence[0][n] = mean[0];
            of_sequence[1][n] = mean[1];
            difference[n++] = mean[0] - mean[1];
        }
    }
    if (n > 0) {
        const struct stat_cfg cfg = {.seed = f->cfg->seed,
                                     .stream = f->cfg->stream,
                                     .resamples = (uint32_t)f->cfg->permutations};
        TRY(stat_sign_flip(&p, difference, n, &cfg));
        TRY(put_effect(forth, f, of_sequence[0], n, i, j));
        TRY(put_effect(back, f, of_sequence[1], n, j, i));
        forth->p = back->p = p;
        family_add(&f->edges, forth->strength >= back->strength ? forth : back, p);
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

/* ---- acquaintance ---- */

static void acquaint(struct finding *f, const struct relation *reactions, int i, int j)
{
    const int n = f->d->n_values;
    int common = 0, any = 0;
    double least = NAN;
    for (int v = 0; v < n; v++) {
        const struct relation *a = &reactions[i * n + v], *b = &reactions[j * n + v];
        const double larger = fm_max(a->q, b->q);
        common += a->found && b->found;
        any += a->found || b->found;
        least = isnan(least) || larger < least ? larger : least;
    }
    *cell(f, f->r->acquaintance, i, j) = *cell(f, f->r->acquaintance, j, i) =
        (struct relation){.strength = any > 0 ? (double)common / any
                                      : n > 0 ? 0.0
                                              : NAN,
                          .p = NAN,
                          .q = least,
                          .lo = NAN,
                          .hi = NAN,
                          .found = common > 0};
}

/* ---- all ---- */

static enum err find_all(struct finding *f, struct relation *reactions)
{
    const int n = f->d->n_agents;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            if (i != j) {
                take_test(cell(f, f->r->transfer, i, j), f, &f->transfers);
            }
            if (i < j) {
                take_test(cell(f, f->r->communication, i, j), f, &f->edges);
                TRY(test_authority(f, i, j));
            }
        }
    }
    for (int k = 0; k < n * f->d->n_values; k++) {
        take_test(&reactions[k], f, &f->reactions);
    }
    struct family *const families[] = {&f->edges, &f->transfers, &f->reactions};
    for (int k = 0; k < 3; k++) {
        uint32_t *order = ARENA_NEW(f->scratch, families[k]->most, uint32_t);
        TRY(arena_error(f->scratch));
        family_adjust(families[k], order, f->cfg->level);
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            acquaint(f, reactions, i, j);
            *cell(f, f->r->communication, i, j) = *cell(f, f->r->communication, j, i);
        }
    }
    for (int k = 0; k < n * f->d->n_values; k++) {
        f->r->reaction_q[k] = reactions[k].q;
    }
    return ERR_OK;
}

static enum err relations_init(struct relations *r, struct arena *arena,
                               const struct relation_data *d)
{
    const size_t n = (size_t)d->n_agents * (size_t)d->n_agents;
    struct relation **const all[] = {&r->acquaintance, &r->communication, &r->transfer,
                                     &r->authority};
    *r = (struct relations){.n_agents = d->n_agents, .n_values = d->n_values};
    r->reaction_q = ARENA_NEW(arena, d->n_agents * d->n_values, double);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        *all[k] = ARENA_NEW(arena, n, struct relation);
    }
    TRY(arena_error(arena));
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        for (size_t i = 0; i < n; i++) {
            (*all[k])[i] =
                (struct relation){.strength = NAN, .p = NAN, .q = NAN, .lo = NAN, .hi = NAN};
        }
    }
    return ERR_OK;
}

enum err relations_conclude(struct relations *out, struct arena *arena,
                            const struct relation_data *d, const struct relations_cfg *cfg,
                            const struct relation_tested *tested, struct arena *scratch)
{
    const uint32_t n = (uint32_t)d->n_agents, n_reactions = n * (uint32_t)d->n_values;
    CHECK(arena != scratch && cfg->permutations >= 1);
    TRY(relations_init(out, arena, d));
    const struct arena_mark mark = arena_mark(scratch);
    struct finding f = {.d = d, .cfg = cfg, .r = out, .tested = tested, .scratch = scratch};
    struct relation *reactions = ARENA_NEW(scratch, n_reactions, struct relation);
    enum err e = family_init(&f.edges, scratch, n * n);
    if (e == ERR_OK) {
        e = family_init(&f.transfers, scratch, n * n);
    }
    if (e == ERR_OK) {
        e = family_init(&f.reactions, scratch, n_reactions);
    }
    if (e == ERR_OK) {
        e = find_all(&f, reactions);
    }
    arena_rewind(scratch, mark);
    return e;
}

enum err relations_find(struct relations *out, struct arena *arena, const struct relation_data *d,
                        const struct relations_cfg *cfg, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int n = relation_tests(d);
    struct relation_tested *tested = ARENA_NEW(scratch, n, struct relation_tested);
    enum err e = arena_error(scratch);
    for (int k = 0; e == ERR_OK && k < n; k++) {
        e = relation_test(&tested[k], d, cfg, k, scratch);
    }
    if (e == ERR_OK) {
        e = relations_conclude(out, arena, d, cfg, tested, scratch);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- conflicts ---- */

enum err conflicts_init(struct conflicts *c, struct arena *arena, int n_agents)
{
    const size_t n = (size_t)n_agents * (size_t)n_agents;
    *c = (struct conflicts){
        .n_agents = n_agents, .n = ARENA_NEW(arena, n, int), .prevails = ARENA_NEW(arena, n, int)};
    return arena_error(arena);
}

void conflicts_add(struct conflicts *c, const int32_t *change, const int32_t *delta, int n_services)
{
    const int n = c->n_agents;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            for (int s = 0; s < n_services; s++) {
                const int64_t mine = change[i * n_services + s], other = change[j * n_services + s];
                const bool against = mine * other < 0;
                c->n[i * n + j] += against;
                c->prevails[i * n + j] += against && mine * delta[s] > 0;
            }
        }
    }
}
