/* All pairs are tested first, then p-values are adjusted family by family. See relations.h. */
#include "core/analysis/relations.h"

#include "core/base/fmath.h"
#include "core/base/stats.h"

#include <math.h>
#include <string.h>

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

/* What a call works with. */
struct finding {
    const struct relation_data *d;
    const struct relations_cfg *cfg;
    struct relations *r;
    struct family edges, transfers, reactions;
    struct arena *scratch;
    uint32_t n_tests; /* so far: each has a stream of its own */
};

static struct relation *cell(const struct finding *f, struct relation *of, int i, int j)
{
    return &of[i * f->d->n_agents + j];
}

static const int *symbols(const struct finding *f, int agent)
{
    return f->d->symbol + (ptrdiff_t)agent * f->d->n_moments;
}

static enum err test_rows(struct relation *out, struct finding *f, const struct info_rows *rows)
{
    const uint32_t streams_each = 1U << 16;
    const struct info_test_cfg cfg = {.seed = f->cfg->seed,
                                      .stream = f->cfg->stream * streams_each + f->n_tests++,
                                      .permutations = f->cfg->permutations};
    struct info_test t;
    TRY(info_test(&t, rows, &cfg, f->scratch));
    *out = (struct relation){.strength = t.value.bits, .bias = t.value.bias, .p = t.p, .q = NAN};
    return ERR_OK;
}

static enum err test_pair(struct finding *f, int i, int j)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    struct relation *together = cell(f, f->r->communication, i, j);
    struct relation *leads = cell(f, f->r->transfer, i, j);
    struct info_rows rows;
    TRY(info_rows_transfer(&rows, f->scratch, symbols(f, i), symbols(f, j), RELATION_SYMBOLS, 1,
                           &f->d->sequences));
    TRY(test_rows(leads, f, &rows));
    family_add(&f->transfers, leads, leads->p);
    if (i < j) {
        TRY(info_rows_synchrony(&rows, f->scratch, symbols(f, i), symbols(f, j), RELATION_SYMBOLS,
                                &f->d->sequences));
        TRY(test_rows(together, f, &rows));
        family_add(&f->edges, together, together->p);
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
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

/* Both directions get the two-sided p-value of the difference; only the stronger one can be found.
 * The test enters the family once. */
static enum err test_authority(struct finding *f, int i, int j)
{
    const struct relation_data *d = f->d;
    const struct arena_mark mark = arena_mark(f->scratch);
    struct relation *forth = cell(f, f->r->authority, i, j);
    struct relation *back = cell(f, f->r->authority, j, i);
    double *difference = ARENA_NEW(f->scratch, d->sequences.n_sequences, double);
    TRY(arena_error(f->scratch));
    double sum[2] = {0}, p = 1.0;
    uint32_t n = 0;
    for (int s = 0; s < d->sequences.n_sequences; s++) {
        double mean[2];
        mean_effects(mean, d, s, i, j);
        if (!isnan(mean[0]) && !isnan(mean[1])) {
            sum[0] += mean[0];
            sum[1] += mean[1];
            difference[n++] = mean[0] - mean[1];
        }
    }
    if (n > 0) {
        const struct stat_cfg cfg = {.seed = f->cfg->seed,
                                     .stream = f->cfg->stream,
                                     .resamples = (uint32_t)f->cfg->permutations};
        TRY(stat_sign_flip(&p, difference, n, &cfg));
        *forth = (struct relation){.strength = sum[0] / n, .p = p, .q = NAN};
        *back = (struct relation){.strength = sum[1] / n, .p = p, .q = NAN};
        family_add(&f->edges, sum[0] >= sum[1] ? forth : back, p);
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

/* ---- acquaintance ---- */

static enum err test_reactions(struct finding *f, struct relation *reactions)
{
    const struct relation_data *d = f->d;
    for (int a = 0; a < d->n_agents; a++) {
        for (int v = 0; v < d->n_values; v++) {
            const struct arena_mark mark = arena_mark(f->scratch);
            struct relation *out = &reactions[a * d->n_values + v];
            struct info_rows rows;
            TRY(info_rows_reaction(&rows, f->scratch, d->value + (ptrdiff_t)v * d->n_moments,
                                   RELATION_LEVELS, symbols(f, a), RELATION_SYMBOLS,
                                   &d->sequences));
            TRY(test_rows(out, f, &rows));
            family_add(&f->reactions, out, out->p);
            arena_rewind(f->scratch, mark);
        }
    }
    return ERR_OK;
}

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
                          .found = common > 0};
}

/* ---- all ---- */

static enum err find_all(struct finding *f, struct relation *reactions)
{
    const int n = f->d->n_agents;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            if (i != j) {
                TRY(test_pair(f, i, j));
            }
            if (i < j) {
                TRY(test_authority(f, i, j));
            }
        }
    }
    TRY(test_reactions(f, reactions));
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
            (*all[k])[i] = (struct relation){.strength = NAN, .p = NAN, .q = NAN};
        }
    }
    return ERR_OK;
}

enum err relations_find(struct relations *out, struct arena *arena, const struct relation_data *d,
                        const struct relations_cfg *cfg, struct arena *scratch)
{
    const uint32_t n = (uint32_t)d->n_agents, n_reactions = n * (uint32_t)d->n_values;
    CHECK(arena != scratch && cfg->permutations >= 1);
    TRY(relations_init(out, arena, d));
    const struct arena_mark mark = arena_mark(scratch);
    struct finding f = {.d = d, .cfg = cfg, .r = out, .scratch = scratch};
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
