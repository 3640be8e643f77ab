/* Pairs of trajectories from live states. See effect.h. */
#include "core/transfer/effect.h"

#include "core/base/log.h"
#include "core/plant/outcomes.h"

#include <math.h>
#include <string.h>

const char *const effect_names[EFFECT_VALUES] = {"slo_attainment", "latency_ms", "pods"};

/* Columns have one order in the schema and one in the store; a twin of a recording may have its
 * own. */
static bool same_columns(const struct features *f, const struct topology *t)
{
    if (f->n_services != t->n_services || f->n_state != state_size(t->n_services)) {
        return false;
    }
    for (int i = 0; i < f->n_state; i++) {
        const int service = i / SERVICE_FEATURES, feature = i % SERVICE_FEATURES;
        const bool whole = service >= t->n_services;
        const char *name = whole ? global_feature_info[i - t->n_services * SERVICE_FEATURES].name
                                 : service_feature_info[feature].name;
        if (strcmp(features_metric_of(f->header.columns[i]), name) != 0) {
            return false;
        }
    }
    return true;
}

enum err effect_init(struct effect *e, struct arena *arena, const struct twin_model *model,
                     const struct topology *topology, const struct plant_cfg *cfg)
{
    const struct features *f = &model->features;
    *e = (struct effect){.model = model, .topology = topology, .cfg = cfg};
    if (model_kind(model) != TWIN_MLP || !same_columns(f, topology)) {
        log_error("the twin cannot begin in a state of the cluster: %s",
                  model_kind(model) != TWIN_MLP ? "it is none of networks (twin.kind: mlp)"
                                                : "its columns are not those of a state");
        return ERR_MISMATCH;
    }
    e->states = ARENA_NEW(arena, f->history * f->n_state, float);
    e->loads = ARENA_NEW(arena, f->history, float);
    e->delta = ARENA_NEW(arena, EFFECT_RUNS * f->n_services, int32_t);
    e->load = ARENA_NEW(arena, EFFECT_RUNS, float);
    e->in = ARENA_NEW(arena, f->n_in, float);
    e->y = ARENA_NEW(arena, model->ensemble.n_members * 2 * f->n_target, float);
    e->work = ARENA_NEW(arena, ensemble_work_floats(&model->ensemble, 1), float);
    TRY(arena_error(arena));
    return twin_batch_init(&e->batch, arena, model, EFFECT_RUNS);
}

void effect_forget(struct effect *e)
{
    e->n_seen = 0;
}

/* Before the first state the history repeats it, as an episode's does (dataset.h). */
void effect_see(struct effect *e, const float *state)
{
    const struct features *f = &e->model->features;
    const size_t row = (size_t)f->n_state;
    const float load = state[state_global_at(f->n_services, GF_ENTRY_10S)];
    const int from = e->n_seen == 0 ? 0 : f->history - 1;
    memmove(e->states + row, e->states, (size_t)(f->history - 1) * row * sizeof *state);
    memmove(e->loads + 1, e->loads, (size_t)(f->history - 1) * sizeof *e->loads);
    for (int k = 0; k < (from == 0 ? f->history : 1); k++) {
        memcpy(e->states + (size_t)k * row, state, row * sizeof *state);
        e->loads[k] = load;
    }
    e->n_seen++;
}

double effect_score(struct effect *e)
{
    const struct features *f = &e->model->features;
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    const struct features_decision d = {.states = states, .delta = e->delta, .loads = loads};
    if (e->n_seen == 0) {
        return (double)NAN;
    }
    memset(e->delta, 0, (size_t)f->n_services * sizeof *e->delta);
    loads[0] = e->loads[0];
    for (int k = 0; k < f->history; k++) {
        states[k] = e->states + (ptrdiff_t)k * f->n_state;
        loads[k + 1] = e->loads[k];
    }
    features_input(e->in, f, &d);
    for (int k = 0; k < e->model->ensemble.n_members; k++) {
        ensemble_predict(&e->model->ensemble, k, e->y + (ptrdiff_t)k * 2 * f->n_target, e->in, 1,
                         e->work);
    }
    return model_score(e->model, ensemble_spread(&e->model->ensemble, e->y));
}

/* ---- trajectories ---- */

/* Trajectory i of decision n: its random numbers are a function of both, the same for the two
 * plays. */
static void begin(struct effect *e)
{
    const struct features *f = &e->model->features;
    struct twin_batch *w = &e->batch;
    for (int i = 0; i < EFFECT_RUNS; i++) {
        w->id[i] = (struct twin_batch_id){.key = rng_key(1, RNG_TWIN, RNG_DEV),
                                          .env = (uint32_t)i,
                                          .episode = (uint32_t)e->n,
                                          .member = i % e->model->ensemble.n_members};
        memcpy(w->state + (ptrdiff_t)i * f->history * f->n_state, e->states,
               (size_t)(f->history * f->n_state) * sizeof *w->state);
        memcpy(w->load + (ptrdiff_t)i * f->history, e->loads, (size_t)f->history * sizeof *w->load);
        if (f->n_kpis > 0) {
            memcpy(w->kpi + (ptrdiff_t)i * f->n_kpis, e->model->ensemble.out_mean + f->n_learned,
                   (size_t)f->n_kpis * sizeof *w->kpi);
        }
        w->source[i] = FROM_HOLD;
        w->residual_at[i] = RESIDUAL_NONE;
        w->step[i] = 0;
        e->load[i] = e->loads[0];
    }
}

/* Values of a period of trajectory i, added to `sum`. */
static void add_values(double sum[EFFECT_VALUES], const struct effect *e, int i)
{
    const struct features *f = &e->model->features;
    struct plant_outcomes o;
    outcomes_of_state(&o, twin_batch_state(&e->batch, i), NULL, e->topology, e->cfg);
    double slo = (double)NAN;
    if (f->n_kpis > 0) {
        const float *kpi = e->batch.kpi + (ptrdiff_t)i * f->n_kpis;
        const double shares = (double)kpi[KPI_SUCCESS] * (double)kpi[KPI_COMPLIANT];
        slo = fmin(1.0, fmax(0.0, shares));
    }
    sum[EFFECT_SLO] += slo / EFFECT_PERIODS;
    sum[EFFECT_LATENCY] += o.value[OUTCOME_LATENCY] / EFFECT_PERIODS;
    sum[EFFECT_PODS] += o.value[OUTCOME_PODS] / EFFECT_PERIODS;
}

static void play(struct effect *e, double out[EFFECT_RUNS][EFFECT_VALUES], const int32_t *change)
{
    const int n = e->model->features.n_services;
    begin(e);
    memset(out, 0, EFFECT_RUNS * sizeof *out);
    for (int t = 0; t < EFFECT_PERIODS; t++) {
        for (int i = 0; i < EFFECT_RUNS; i++) {
            for (int s = 0; s < n; s++) {
                e->delta[i * n + s] = t == 0 ? change[s] : 0;
            }
        }
        twin_batch_step(&e->batch, e->delta, NULL, e->load, NULL);
        for (int i = 0; i < EFFECT_RUNS; i++) {
            add_values(out[i], e, i);
        }
    }
}

void effect_compare(struct effect *e, const int32_t *one, const int32_t *other)
{
    double a[EFFECT_RUNS][EFFECT_VALUES], b[EFFECT_RUNS][EFFECT_VALUES];
    if (e->n_seen == 0) {
        return;
    }
    play(e, a, one);
    play(e, b, other);
    for (int i = 0; i < EFFECT_RUNS; i++) {
        for (int v = 0; v < EFFECT_VALUES; v++) {
            e->sums[0][i][v] += a[i][v];
            e->sums[1][i][v] += b[i][v];
            e->sums[2][i][v] += a[i][v] - b[i][v];
        }
    }
    e->n++;
}

struct stat_interval effect_interval(const struct effect *e, int of, enum effect_value value)
{
    double means[EFFECT_RUNS];
    uint32_t order[EFFECT_RUNS];
    if (e->n == 0 || isnan(e->sums[of][0][value])) {
        return (struct stat_interval){(double)NAN, (double)NAN, (double)NAN};
    }
    for (int i = 0; i < EFFECT_RUNS; i++) {
        means[i] = e->sums[of][i][value] / (double)e->n;
    }
    return (struct stat_interval){.value = stat_mean(means, EFFECT_RUNS),
                                  .lo = stat_quantile(means, EFFECT_RUNS, 0.05, order),
                                  .hi = stat_quantile(means, EFFECT_RUNS, 0.95, order)};
}
