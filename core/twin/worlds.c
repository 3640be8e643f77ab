/* A step: who is in the table takes a successor, the others ask their member, member by member. See
 * worlds.h. */
#include "core/twin/worlds.h"

#include <string.h>

enum { DRAW_SUCCESSOR = 1, DRAW_NOISE };

enum err worlds_init(struct worlds *w, struct arena *arena, const struct twin_model *model, int n)
{
    const struct space *s = &model->space;
    const size_t worlds = (size_t)n, history = (size_t)s->history;
    *w = (struct worlds){.model = model, .n = n};
    w->id = ARENA_NEW(arena, n, struct world_id);
    w->state = ARENA_NEW(arena, worlds * history * (size_t)s->n_state, float);
    w->load = ARENA_NEW(arena, worlds * history, float);
    w->measure = ARENA_NEW(arena, worlds * (size_t)s->n_measures, float);
    w->source = ARENA_NEW(arena, n, uint8_t);
    w->noise_at = ARENA_NEW(arena, n, int32_t);
    w->step = ARENA_NEW(arena, n, uint32_t);
    w->next = ARENA_NEW(arena, s->n_state, float);
    w->target = ARENA_NEW(arena, s->n_target, float);
    w->seen = ARENA_NEW(arena, s->n_target, float);
    w->in = ARENA_NEW(arena, worlds * (size_t)s->n_in, float);
    w->y = ARENA_NEW(arena, worlds * 2 * (size_t)s->n_target, float);
    w->work = ARENA_NEW(arena, ensemble_work_floats(&model->ensemble, n), float);
    w->point = ARENA_NEW(arena, s->n_state + 2, float);
    w->queue = ARENA_NEW(arena, n, int);
    TRY(arena_error(arena));
    return space_rows_init(&w->rows, arena, s);
}

void worlds_begin(struct worlds *w, int i, const struct world_id *id, const struct dataset *d,
                  int row)
{
    const struct space *s = &w->model->space;
    const float *states[SPACE_HISTORY_MAX];
    float loads[SPACE_HISTORY_MAX + 1];
    dataset_history(states, loads, d, row);
    for (int k = 0; k < s->history; k++) {
        memcpy(w->state + ((ptrdiff_t)i * s->history + k) * s->n_state, states[k],
               (size_t)s->n_state * sizeof *w->state);
        w->load[(ptrdiff_t)i * s->history + k] = loads[k + 1];
    }
    /* A world that holds from its first step on answers these. Those that follow at `row` would
     * tell a report what it asks for. */
    const bool first = row == d->episodes[d->episode[row]].first_row;
    memcpy(w->measure + (ptrdiff_t)i * s->n_measures,
           first ? w->model->ensemble.out_mean + s->n_learned
                 : d->measure + ((size_t)row - 1) * (size_t)s->n_measures,
           (size_t)s->n_measures * sizeof *w->measure);
    w->id[i] = *id;
    w->source[i] = FROM_HOLD;
    w->noise_at[i] = NOISE_NONE;
    w->step[i] = 0;
}

void worlds_settle(struct worlds *w, int i, float load)
{
    const int history = w->model->space.history;
    for (int k = 0; k < history; k++) {
        w->load[(ptrdiff_t)i * history + k] = load;
    }
}

/* ---- one world ---- */

static float *newest(const struct worlds *w, int i)
{
    return w->state + (ptrdiff_t)i * w->model->space.history * w->model->space.n_state;
}

static struct rng_block draw(const struct worlds *w, int i, uint32_t what)
{
    const struct world_id *id = &w->id[i];
    return rng_philox(id->key, what, w->step[i], id->episode, id->env);
}

/* The decision, as the space wants it; arrays of pointers and loads are the caller's. */
static struct space_decision decision_of(const struct worlds *w, int i, const int32_t *delta,
                                         const int32_t *attack, float load, const float **states,
                                         float *loads)
{
    const struct space *s = &w->model->space;
    loads[0] = load;
    for (int k = 0; k < s->history; k++) {
        states[k] = newest(w, i) + (ptrdiff_t)k * s->n_state;
        loads[k + 1] = w->load[(ptrdiff_t)i * s->history + k];
    }
    return (struct space_decision){
        .states = states,
        .delta = delta + (ptrdiff_t)i * s->n_services,
        .attack = attack != NULL ? attack + (ptrdiff_t)i * STORE_ATTACK : NULL,
        .loads = loads,
    };
}

static struct pods_decision of_pods(const struct worlds *w, const struct space_decision *d)
{
    return (struct pods_decision){
        .states = d->states, .history = w->model->space.history, .delta = d->delta};
}

/* The world moves on to w->next and its measures, within what pods can be. */
static void advance(struct worlds *w, int i, const struct space_decision *d,
                    enum worlds_source source)
{
    const struct space *s = &w->model->space;
    const struct pods_decision decision = of_pods(w, d);
    const int history = s->history, n = s->n_state;
    float *state = newest(w, i), *loads = w->load + (ptrdiff_t)i * history;
    float *m = w->measure + (ptrdiff_t)i * s->n_measures;
    const struct pods_means means = {m + SM_DEPLOYED, m + SM_FAILED, m + SM_REQUESTED, m + SM_USED};
    pods_bound(w->next, s->n_measures > 0 ? &means : NULL, &s->pods, &decision);
    const float load = d->loads[0];
    memmove(state + n, state, (size_t)(history - 1) * (size_t)n * sizeof *state);
    memmove(loads + 1, loads, (size_t)(history - 1) * sizeof *loads);
    memcpy(state, w->next, (size_t)n * sizeof *state);
    loads[0] = load;
    w->source[i] = (uint8_t)source;
    w->asked[source]++;
    w->step[i]++;
}

/* ---- what is recorded ---- */

/* The successor of the transition at `row`. */
static void follow(struct worlds *w, int i, const struct space_decision *d, int row,
                   enum worlds_source source)
{
    const struct space *s = &w->model->space;
    const struct dataset *data = &w->model->data;
    memcpy(w->next, data->state + ((size_t)row + 1) * (size_t)s->n_state,
           (size_t)s->n_state * sizeof *w->next);
    memcpy(w->measure + (ptrdiff_t)i * s->n_measures,
           data->measure + (size_t)row * (size_t)s->n_measures,
           (size_t)s->n_measures * sizeof *w->measure);
    w->noise_at[i] = NOISE_NONE;
    const struct pods_decision decision = of_pods(w, d);
    pods_follow(w->next, &s->pods, &decision);
    advance(w, i, d, source);
}

/* Was this recorded often enough? Then one of the successors is drawn, and the world has moved. */
static bool in_table(struct worlds *w, int i, const struct space_decision *d)
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

/* The nearest transition; without one everything stays as it is, the measures of before, too. */
static void ask_nearest(struct worlds *w, int i, const struct space_decision *d)
{
    const int row = nearest_find(&w->model->nearest, d, w->model->cfg->radius, w->point);
    if (row != SPACE_NONE) {
        follow(w, i, d, row, FROM_NEAREST);
        return;
    }
    const struct space *s = &w->model->space;
    const struct pods_decision decision = of_pods(w, d);
    memcpy(w->next, d->states[0], (size_t)s->n_state * sizeof *w->next);
    pods_hold(w->next, &s->pods, &decision);
    advance(w, i, d, FROM_HOLD);
}

/* ---- what is predicted ---- */

/* World i takes the answer that stands in row `at` of y. */
static void take_answer(struct worlds *w, int i, int at, const struct space_decision *d)
{
    const struct space *s = &w->model->space;
    const struct ensemble *e = &w->model->ensemble;
    const struct noise *bank = &e->members[w->id[i].member].noise;
    const float *y = w->y + (ptrdiff_t)at * 2 * s->n_target;
    const float *in = w->in + (ptrdiff_t)at * s->n_in;
    const struct rng_block u = draw(w, i, DRAW_NOISE);
    w->noise_at[i] =
        noise_draw(bank, w->noise_at[i], ensemble_level(e, y), rng_f64(u.v[0], u.v[1]));
    ensemble_answer(e, w->target, y, bank->z + (ptrdiff_t)w->noise_at[i] * s->n_target, in);
    space_rows_back(w->seen, &w->rows, w->target);
    memcpy(w->next, d->states[0], (size_t)s->n_state * sizeof *w->next);
    for (int k = 0; k < s->n_learned; k++) {
        w->next[s->learned_at[k]] = w->seen[k];
    }
    for (int k = 0; k < s->n_exact; k++) {
        w->next[s->exact_at[k]] = 0.0F;
    }
    memcpy(w->measure + (ptrdiff_t)i * s->n_measures, w->seen + s->n_learned,
           (size_t)s->n_measures * sizeof *w->measure);
    const struct pods_decision decision = of_pods(w, d);
    pods_answer(w->next, &s->pods, &decision);
    advance(w, i, d, FROM_NETWORK);
}

/* The worlds of the queue (n) that follow `member`, in one product. */
static void ask_member(struct worlds *w, int member, int n, const int32_t *delta,
                       const int32_t *attack, const float *load)
{
    const struct space *s = &w->model->space;
    const float *states[SPACE_HISTORY_MAX];
    float loads[SPACE_HISTORY_MAX + 1];
    int rows = 0;
    for (int q = 0; q < n; q++) {
        const int i = w->queue[q];
        if (w->id[i].member == member) {
            const struct space_decision d =
                decision_of(w, i, delta, attack, load[i], states, loads);
            space_rows_input(w->in + (ptrdiff_t)rows++ * s->n_in, &w->rows, &d);
            noise_prefetch(&w->model->ensemble.members[member].noise, w->noise_at[i], s->n_target);
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
            const struct space_decision d =
                decision_of(w, i, delta, attack, load[i], states, loads);
            take_answer(w, i, rows++, &d);
        }
    }
}

void worlds_step(struct worlds *w, const int32_t *delta, const int32_t *attack, const float *load,
                 const uint8_t *active)
{
    const struct twin_cfg *cfg = w->model->cfg;
    const float *states[SPACE_HISTORY_MAX];
    float loads[SPACE_HISTORY_MAX + 1];
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        if (active != NULL && active[i] == 0) {
            continue;
        }
        const struct space_decision d = decision_of(w, i, delta, attack, load[i], states, loads);
        if (cfg->lookup != LOOKUP_NONE && in_table(w, i, &d)) {
            continue;
        }
        if (cfg->fallback == FALLBACK_NEAREST) {
            ask_nearest(w, i, &d);
        } else {
            w->queue[n++] = i;
        }
    }
    for (int k = 0; n > 0 && k < w->model->ensemble.n_members; k++) {
        ask_member(w, k, n, delta, attack, load);
    }
}
