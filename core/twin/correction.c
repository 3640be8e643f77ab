/* Collect the rows of a member, predict, take the differences. See correction.h. */
#include "core/twin/correction.h"

#include <string.h>

enum { DRAW_RESIDUAL = 2 }; /* as in twin_batch.c; fluid.h draws others */

enum err correction_init(struct correction *c, struct arena *arena, const struct twin_model *model,
                         double period_s, int n)
{
    const struct features *s = &model->features;
    const size_t batch = (size_t)n, history = (size_t)s->history;
    *c = (struct correction){.model = model, .period_s = period_s, .n = n};
    c->id = ARENA_NEW(arena, n, struct twin_batch_id);
    c->past = ARENA_NEW(arena, batch * history * (size_t)s->n_state, float);
    c->load = ARENA_NEW(arena, batch * (history + 1), float);
    c->state = ARENA_NEW(arena, batch * (size_t)s->n_state, float);
    c->kpi = ARENA_NEW(arena, batch * (size_t)s->n_kpis, float);
    c->residual_at = ARENA_NEW(arena, n, int32_t);
    c->step = ARENA_NEW(arena, n, uint32_t);
    c->delta = ARENA_NEW(arena, n * s->n_services, int32_t);
    c->next = ARENA_NEW(arena, s->n_state, float);
    c->target = ARENA_NEW(arena, s->n_target, float);
    c->decoded = ARENA_NEW(arena, s->n_target, float);
    c->in = ARENA_NEW(arena, batch * (size_t)s->n_in, float);
    c->y = ARENA_NEW(arena, batch * 2 * (size_t)s->n_target, float);
    c->work = ARENA_NEW(arena, ensemble_work_floats(&model->ensemble, n), float);
    c->queue = ARENA_NEW(arena, n, int);
    TRY(arena_error(arena));
    return feature_rows_init(&c->rows, arena, s);
}

static float *past_of(const struct correction *c, int i)
{
    return c->past + (ptrdiff_t)i * c->model->features.history * c->model->features.n_state;
}

static float *loads_of(const struct correction *c, int i)
{
    return c->load + (ptrdiff_t)i * (c->model->features.history + 1);
}

void correction_begin(struct correction *c, int i, const struct twin_batch_id *id,
                      const struct fluid *queues, float load)
{
    const struct features *s = &c->model->features;
    const size_t bytes = (size_t)s->n_state * sizeof *c->past;
    for (int k = 0; k < s->history; k++) {
        memcpy(past_of(c, i) + (ptrdiff_t)k * s->n_state, queues->state, bytes);
    }
    for (int k = 0; k <= s->history; k++) {
        loads_of(c, i)[k] = load;
    }
    memcpy(c->state + (ptrdiff_t)i * s->n_state, queues->state, bytes);
    c->id[i] = *id;
    c->residual_at[i] = RESIDUAL_NONE;
    c->step[i] = 0;
}

void correction_copy(struct correction *c, int to, int from, const struct twin_batch_id *id)
{
    const struct features *s = &c->model->features;
    const size_t n = (size_t)s->n_state, history = (size_t)s->history;
    memcpy(past_of(c, to), past_of(c, from), history * n * sizeof *c->past);
    memcpy(loads_of(c, to), loads_of(c, from), (history + 1) * sizeof *c->load);
    memcpy(c->state + (size_t)to * n, c->state + (size_t)from * n, n * sizeof *c->state);
    c->id[to] = *id;
    c->residual_at[to] = RESIDUAL_NONE;
    c->step[to] = c->step[from];
}

/* ---- a step ---- */

/* The queues' answer and the load that it was given at go in first: the input reads them. */
static void take_period(struct correction *c, int i, const struct fluid *queues, float load)
{
    const struct features *s = &c->model->features;
    float *loads = loads_of(c, i);
    memmove(loads + 1, loads, (size_t)s->history * sizeof *loads);
    loads[0] = load;
    for (int k = 0; k < s->n_services; k++) {
        const int at = s->desired_at[k];
        c->delta[(ptrdiff_t)i * s->n_services + k] =
            (int32_t)(queues->state[at] - past_of(c, i)[at]);
    }
}

static struct features_decision decision_of(const struct correction *c, int i, const float **states)
{
    const struct features *s = &c->model->features;
    for (int k = 0; k < s->history; k++) {
        states[k] = past_of(c, i) + (ptrdiff_t)k * s->n_state;
    }
    return (struct features_decision){.states = states,
                                      .delta = c->delta + (ptrdiff_t)i * s->n_services,
                                      .loads = loads_of(c, i)};
}

static void put_input(struct correction *c, int i, int at, const struct fluid *queues)
{
    const struct features *s = &c->model->features;
    const float *states[FEATURES_HISTORY_MAX];
    const struct features_decision d = decision_of(c, i, states);
    float *in = c->in + (ptrdiff_t)at * s->n_in;
    float kpi[FEATURES_KPIS];
    features_kpis(kpi, &queues->truth, (double)d.loads[0], c->period_s);
    features_kpis_encode(kpi, s, queues->state);
    feature_rows_input(in, &c->rows, &d);
    features_answer(in + features_answer_at(s), s, queues->state, kpi);
}

/* c->next, KPIs within what pods can be, and the queues' state joins the past. */
static void show(struct correction *c, int i, const struct fluid *queues)
{
    const struct features *s = &c->model->features;
    const float *states[FEATURES_HISTORY_MAX];
    const struct features_decision d = decision_of(c, i, states);
    const struct pods_decision decision = {states, s->history, d.delta};
    const size_t n = (size_t)s->n_state;
    float *m = c->kpi + (ptrdiff_t)i * s->n_kpis, *past = past_of(c, i);
    const struct pods_means means = {m + KPI_DEPLOYED, m + KPI_FAILED, m + KPI_REQUESTED,
                                     m + KPI_USED};
    pods_answer(c->next, &s->pods, &decision);
    pods_bound(c->next, &means, &s->pods, &decision);
    memcpy(c->state + (size_t)i * n, c->next, n * sizeof *c->state);
    memmove(past + n, past, ((size_t)s->history - 1) * n * sizeof *past);
    memcpy(past, queues->state, n * sizeof *past);
    c->step[i]++;
}

/* Trajectory i takes the prediction in row `at` of y. Columns that are neither learned nor exact
 * are the queues'; exact ones have a gap of 0. */
static void correct(struct correction *c, int i, int at, const struct fluid *queues)
{
    const struct features *s = &c->model->features;
    const struct ensemble *e = &c->model->ensemble;
    const struct twin_batch_id *id = &c->id[i];
    const struct residual_pool *pool = &e->members[id->member].residuals;
    const float *y = c->y + (ptrdiff_t)at * 2 * s->n_target;
    const struct rng_block u = rng_philox(id->key, DRAW_RESIDUAL, c->step[i], id->episode, id->env);
    c->residual_at[i] =
        residual_pool_draw(pool, c->residual_at[i], ensemble_level(e, y), rng_f64(u.v[0], u.v[1]));
    ensemble_answer(e, c->target, y, pool->z + (ptrdiff_t)c->residual_at[i] * s->n_target,
                    c->in + (ptrdiff_t)at * s->n_in);
    feature_rows_decode(c->decoded, &c->rows, c->target);
    memcpy(c->next, queues->state, (size_t)s->n_state * sizeof *c->next);
    for (int k = 0; k < s->n_learned; k++) {
        c->next[s->learned_at[k]] = c->decoded[k];
    }
    for (int k = 0; k < s->n_exact; k++) {
        c->next[s->exact_at[k]] = 0.0F;
    }
    memcpy(c->kpi + (ptrdiff_t)i * s->n_kpis, c->decoded + s->n_learned,
           (size_t)s->n_kpis * sizeof *c->kpi);
    show(c, i, queues);
}

/* Both loops visit the trajectories in the same order, so row k of the inputs and row k of y belong
 * together. */
static void correct_member(struct correction *c, int member, int n, const struct fluid *queues)
{
    int rows = 0;
    for (int q = 0; q < n; q++) {
        const int i = c->queue[q];
        if (c->id[i].member == member) {
            put_input(c, i, rows++, &queues[i]);
            residual_pool_prefetch(&c->model->ensemble.members[member].residuals, c->residual_at[i],
                                   c->model->features.n_target);
        }
    }
    if (rows == 0) {
        return;
    }
    ensemble_predict(&c->model->ensemble, member, c->y, c->in, rows, c->work);
    rows = 0;
    for (int q = 0; q < n; q++) {
        const int i = c->queue[q];
        if (c->id[i].member == member) {
            correct(c, i, rows++, &queues[i]);
        }
    }
}

void correction_step(struct correction *c, const struct fluid *queues, const float *load,
                     const uint8_t *active)
{
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        if (active == NULL || active[i] != 0) {
            take_period(c, i, &queues[i], load[i]);
            c->queue[n++] = i;
        }
    }
    for (int k = 0; n > 0 && k < c->model->ensemble.n_members; k++) {
        correct_member(c, k, n, queues);
    }
}

void correction_truth(struct plant_truth *out, const struct correction *c, int i, double before,
                      double legit)
{
    const struct features *s = &c->model->features;
    float kpi[FEATURES_KPIS];
    memcpy(kpi, c->kpi + (ptrdiff_t)i * FEATURES_KPIS, sizeof kpi);
    features_kpis_decode(kpi, s, correction_state(c, i));
    features_truth(out, kpi, before, (double)loads_of(c, i)[0], legit, c->period_s);
}
