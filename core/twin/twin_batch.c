/* A step: a trajectory whose decision is in the table takes a recorded successor, the others are
 * predicted, member by member. See twin_batch.h.
 *
 * A trajectory reads and writes only its own state, loads, KPIs and place in the pool, and its
 * draws are functions of its identity and its step. So trajectories may be moved in any order and
 * grouped in any way, and each has the same bits as if it were alone in the batch. w->next,
 * w->target and w->decoded are scratch of the one that is being moved. */
#include "core/twin/twin_batch.h"

#include <string.h>

enum { DRAW_SUCCESSOR = 1, DRAW_RESIDUAL };

enum err twin_batch_init(struct twin_batch *w, struct arena *arena, const struct twin_model *model,
                         int n)
{
    const struct features *s = &model->features;
    const size_t batch = (size_t)n, history = (size_t)s->history;
    *w = (struct twin_batch){.model = model, .n = n};
    w->id = ARENA_NEW(arena, n, struct twin_batch_id);
    w->state = ARENA_NEW(arena, batch * history * (size_t)s->n_state, float);
    w->load = ARENA_NEW(arena, batch * history, float);
    w->kpi = ARENA_NEW(arena, batch * (size_t)s->n_kpis, float);
    w->source = ARENA_NEW(arena, n, uint8_t);
    w->residual_at = ARENA_NEW(arena, n, int32_t);
    w->step = ARENA_NEW(arena, n, uint32_t);
    w->next = ARENA_NEW(arena, s->n_state, float);
    w->target = ARENA_NEW(arena, s->n_target, float);
    w->decoded = ARENA_NEW(arena, s->n_target, float);
    w->in = ARENA_NEW(arena, batch * (size_t)s->n_in, float);
    w->y = ARENA_NEW(arena, batch * 2 * (size_t)s->n_target, float);
    w->work = ARENA_NEW(arena, ensemble_work_floats(&model->ensemble, n), float);
    w->point = ARENA_NEW(arena, s->n_state + 2, float);
    w->queue = ARENA_NEW(arena, n, int);
    TRY(arena_error(arena));
    return feature_rows_init(&w->rows, arena, s);
}

/* A trajectory that holds its state from the first step on returns these KPIs. Those that follow at
 * `row` would leak the result that a report compares with. */
const float *twin_batch_kpis_before(const struct twin_model *model, const struct dataset *d,
                                    int row)
{
    const bool first = row == d->episodes[d->episode[row]].first_row;
    if (first && model->queueing != NULL) { /* no means are kept: any other period */
        return model->data.kpi +
               (size_t)model->data.at[STORE_TRAIN][0] * (size_t)model->features.n_kpis;
    }
    return first ? model->ensemble.out_mean + model->features.n_learned
                 : d->kpi + ((size_t)row - 1) * (size_t)model->features.n_kpis;
}

void twin_batch_begin(struct twin_batch *w, int i, const struct twin_batch_id *id,
                      const struct dataset *d, int row)
{
    const struct features *s = &w->model->features;
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    dataset_history(states, loads, d, row);
    for (int k = 0; k < s->history; k++) {
        memcpy(w->state + ((ptrdiff_t)i * s->history + k) * s->n_state, states[k],
               (size_t)s->n_state * sizeof *w->state);
        w->load[(ptrdiff_t)i * s->history + k] = loads[k + 1];
    }
    memcpy(w->kpi + (ptrdiff_t)i * s->n_kpis, twin_batch_kpis_before(w->model, d, row),
           (size_t)s->n_kpis * sizeof *w->kpi);
    w->id[i] = *id;
    w->source[i] = FROM_HOLD;
    w->residual_at[i] = RESIDUAL_NONE;
    w->step[i] = 0;
}

void twin_batch_set_load(struct twin_batch *w, int i, float load)
{
    const int history = w->model->features.history;
    for (int k = 0; k < history; k++) {
        w->load[(ptrdiff_t)i * history + k] = load;
    }
}

/* ---- one trajectory ---- */

static float *newest(const struct twin_batch *w, int i)
{
    return w->state + (ptrdiff_t)i * w->model->features.history * w->model->features.n_state;
}

/* Counter (what, step, episode, environment): one block for each purpose and step. advance() counts
 * the step, so a step draws each `what` at most once. */
static struct rng_block draw(const struct twin_batch *w, int i, uint32_t what)
{
    const struct twin_batch_id *id = &w->id[i];
    return rng_philox(id->key, what, w->step[i], id->episode, id->env);
}

/* The decision, as features_input() takes it; arrays of pointers and loads are the caller's. */
static struct features_decision decision_of(const struct twin_batch *w, int i, const int32_t *delta,
                                            const int32_t *attack, float load, const float **states,
                                            float *loads)
{
    const struct features *s = &w->model->features;
    loads[0] = load;
    for (int k = 0; k < s->history; k++) {
        states[k] = newest(w, i) + (ptrdiff_t)k * s->n_state;
        loads[k + 1] = w->load[(ptrdiff_t)i * s->history + k];
    }
    return (struct features_decision){
        .states = states,
        .delta = delta + (ptrdiff_t)i * s->n_services,
        .attack = attack != NULL ? attack + (ptrdiff_t)i * STORE_ATTACK : NULL,
        .loads = loads,
    };
}

static struct pods_decision of_pods(const struct twin_batch *w, const struct features_decision *d)
{
    return (struct pods_decision){
        .states = d->states, .history = w->model->features.history, .delta = d->delta};
}

/* The trajectory moves on to w->next and its KPIs, within what pods can be. `d` points into the
 * history of the trajectory, which the moves below shift by one period: what they need of it is
 * read before. */
static void advance(struct twin_batch *w, int i, const struct features_decision *d,
                    enum twin_source source)
{
    const struct features *s = &w->model->features;
    const struct pods_decision decision = of_pods(w, d);
    const int history = s->history, n = s->n_state;
    float *state = newest(w, i), *loads = w->load + (ptrdiff_t)i * history;
    float *m = w->kpi + (ptrdiff_t)i * s->n_kpis;
    const struct pods_means means = {m + KPI_DEPLOYED, m + KPI_FAILED, m + KPI_REQUESTED,
                                     m + KPI_USED};
    pods_bound(w->next, s->n_kpis > 0 ? &means : NULL, &s->pods, &decision);
    const float load = d->loads[0];
    memmove(state + n, state, (size_t)(history - 1) * (size_t)n * sizeof *state);
    memmove(loads + 1, loads, (size_t)(history - 1) * sizeof *loads);
    memcpy(state, w->next, (size_t)n * sizeof *state);
    loads[0] = load;
    w->source[i] = (uint8_t)source;
    w->steps_by_source[source]++;
    w->step[i]++;
}

/* ---- what is recorded ---- */

/* The successor of the transition at `row`. Its KPIs were recorded as gaps from what its own state
 * requests, and are decoded with the state that the trajectory has now. Whatever residual came
 * before, the next prediction draws a new one: a recorded period belongs to another sequence. */
static void follow(struct twin_batch *w, int i, const struct features_decision *d, int row,
                   enum twin_source source)
{
    const struct features *s = &w->model->features;
    const struct dataset *data = &w->model->data;
    memcpy(w->next, data->state + ((size_t)row + 1) * (size_t)s->n_state,
           (size_t)s->n_state * sizeof *w->next);
    memcpy(w->kpi + (ptrdiff_t)i * s->n_kpis, data->kpi + (size_t)row * (size_t)s->n_kpis,
           (size_t)s->n_kpis * sizeof *w->kpi);
    w->residual_at[i] = RESIDUAL_NONE;
    const struct pods_decision decision = of_pods(w, d);
    pods_follow(w->next, &s->pods, &decision);
    advance(w, i, d, source);
}

/* Was this recorded often enough? Then one of the successors is drawn, and the trajectory has
 * moved. */
static bool step_from_table(struct twin_batch *w, int i, const struct features_decision *d)
{
    const struct lookup *t = &w->model->table;
    const struct lookup_key key = lookup_key(t, d);
    int first = 0;
    const int n = lookup_find(t, &key, &first);
    const bool enough = n >= w->model->cfg->successors;
    if (enough) {
        const uint32_t k = rng_below(draw(w, i, DRAW_SUCCESSOR).v[0], (uint32_t)n);
        follow(w, i, d, t->entries[first + (int)k].row, FROM_TABLE);
    }
    return enough;
}

/* The nearest transition; without one the state and the KPIs stay as they are. */
static void step_from_nearest(struct twin_batch *w, int i, const struct features_decision *d)
{
    const int row = nearest_find(&w->model->nearest, d, w->model->cfg->radius, w->point);
    if (row != FEATURES_NONE) {
        follow(w, i, d, row, FROM_NEAREST);
        return;
    }
    const struct features *s = &w->model->features;
    const struct pods_decision decision = of_pods(w, d);
    memcpy(w->next, d->states[0], (size_t)s->n_state * sizeof *w->next);
    pods_hold(w->next, &s->pods, &decision);
    advance(w, i, d, FROM_HOLD);
}

/* ---- what is predicted ---- */

/* Trajectory i takes the prediction in row `at` of y. Columns that are neither learned nor exact
 * stay as they are; exact ones get a gap of 0; then pods_answer() turns gaps into counts. */
static void apply_prediction(struct twin_batch *w, int i, int at, const struct features_decision *d)
{
    const struct features *s = &w->model->features;
    const struct ensemble *e = &w->model->ensemble;
    const struct residual_pool *pool = &e->members[w->id[i].member].residuals;
    const float *y = w->y + (ptrdiff_t)at * 2 * s->n_target;
    const float *in = w->in + (ptrdiff_t)at * s->n_in;
    const struct rng_block u = draw(w, i, DRAW_RESIDUAL);
    w->residual_at[i] =
        residual_pool_draw(pool, w->residual_at[i], ensemble_level(e, y), rng_f64(u.v[0], u.v[1]));
    ensemble_answer(e, w->target, y, pool->z + (ptrdiff_t)w->residual_at[i] * s->n_target, in);
    feature_rows_decode(w->decoded, &w->rows, w->target);
    memcpy(w->next, d->states[0], (size_t)s->n_state * sizeof *w->next);
    for (int k = 0; k < s->n_learned; k++) {
        w->next[s->learned_at[k]] = w->decoded[k];
    }
    for (int k = 0; k < s->n_exact; k++) {
        w->next[s->exact_at[k]] = 0.0F;
    }
    memcpy(w->kpi + (ptrdiff_t)i * s->n_kpis, w->decoded + s->n_learned,
           (size_t)s->n_kpis * sizeof *w->kpi);
    const struct pods_decision decision = of_pods(w, d);
    pods_answer(w->next, &s->pods, &decision);
    advance(w, i, d, FROM_NETWORK);
}

/* The trajectories of the queue (n) that follow `member`, in one product. Both loops visit them in
 * the same order, so row k of the inputs and row k of y belong together. The second loop moves a
 * trajectory only after its own decision was read again. */
static void predict_member(struct twin_batch *w, int member, int n, const int32_t *delta,
                           const int32_t *attack, const float *load)
{
    const struct features *s = &w->model->features;
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    int rows = 0;
    for (int q = 0; q < n; q++) {
        const int i = w->queue[q];
        if (w->id[i].member == member) {
            const struct features_decision d =
                decision_of(w, i, delta, attack, load[i], states, loads);
            feature_rows_input(w->in + (ptrdiff_t)rows++ * s->n_in, &w->rows, &d);
            residual_pool_prefetch(&w->model->ensemble.members[member].residuals, w->residual_at[i],
                                   s->n_target);
        }
    }
    if (rows == 0) {
        return;
    }
    ensemble_predict(&w->model->ensemble, member, w->y, w->in, rows, w->work);
    rows = 0;
    for (int q = 0; q < n; q++) {
        const int i = w->queue[q];
        if (w->id[i].member == member) {
            const struct features_decision d =
                decision_of(w, i, delta, attack, load[i], states, loads);
            apply_prediction(w, i, rows++, &d);
        }
    }
}

void twin_batch_step(struct twin_batch *w, const int32_t *delta, const int32_t *attack,
                     const float *load, const uint8_t *active)
{
    const struct twin_cfg *cfg = w->model->cfg;
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        if (active != NULL && active[i] == 0) {
            continue;
        }
        const struct features_decision d = decision_of(w, i, delta, attack, load[i], states, loads);
        if (cfg->lookup != LOOKUP_NONE && step_from_table(w, i, &d)) {
            continue;
        }
        if (cfg->fallback == FALLBACK_NEAREST) {
            step_from_nearest(w, i, &d);
        } else {
            w->queue[n++] = i;
        }
    }
    for (int k = 0; n > 0 && k < w->model->ensemble.n_members; k++) {
        predict_member(w, k, n, delta, attack, load);
    }
}
