/* state -> controller -> change -> plant -> account, until the horizon. See episode.h. */
#include "core/eval/episode.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/plant/schema.h"

#include <math.h>

enum err episode_init(struct episode *e, struct arena *arena, const struct env_setup *w)
{
    return episode_init_on(e, arena, w, PLANT_KIND_CLUSTER);
}

enum err episode_init_on(struct episode *e, struct arena *arena, const struct env_setup *w,
                         enum plant_kind kind)
{
    const int n = w->topology.n_services;
    if (kind == PLANT_KIND_TWIN && w->twin != NULL && w->twin->features.n_kpis == 0) {
        log_error(
            "the twin %s of a recording has no exact counters, so the metrics of an evaluation "
            "are unknown in it; measure on the simulator (--set eval.plant=cluster)",
            w->cfg.twin->file);
        return ERR_CONFIG;
    }
    *e = (struct episode){.env_setup = w, .delta = ARENA_NEW(arena, n, int32_t)};
    TRY(arena_error(arena));
    TRY(schedule_init(&e->schedule, arena, w->n_seconds));
    TRY(episode_account_init(&e->account, arena, n));
    TRY(upper_bound_init(&e->upper_bound, arena, w));
    return env_setup_plant(&e->plant, arena, w, kind, 1);
}

enum err episode_shield(struct episode *e, struct arena *arena, const struct shield *shield)
{
    struct shielding *g = ARENA_NEW(arena, 1, struct shielding);
    struct shield *own = ARENA_NEW(arena, 1, struct shield);
    TRY(arena_error(arena));
    *own = *shield;
    shield_bound_steps(own, e->step_bound);
    TRY(shielding_init(g, arena, own, e->env_setup->cfg.plant->period_s));
    e->shielding = g;
    return ERR_OK;
}

enum err episode_lie(struct episode *e, struct arena *arena, const struct lie_cfg *cfg)
{
    if (cfg->kind == LIE_NONE) {
        return ERR_OK;
    }
    struct lie *l = ARENA_NEW(arena, 1, struct lie);
    TRY(arena_error(arena));
    TRY(lie_init(l, arena, cfg, e->env_setup->topology.n_services));
    e->lie = l;
    return ERR_OK;
}

/* Replica bounds and the step bound hold for every controller; the account counts what was
 * executed. */
static void clip_to_bounds(struct episode *e, const float *state)
{
    const int most = e->step_bound > 0 ? e->step_bound : INT32_MAX;
    for (int s = 0; s < e->env_setup->topology.n_services; s++) {
        const struct service_cfg *cfg = &e->env_setup->cfg.topology->services[s];
        const int desired = (int)state[state_service_at(s, SF_DESIRED)];
        const int lo = cfg->min_replicas - desired;
        const int hi = cfg->max_replicas - desired;
        e->delta[s] = e->delta[s] < -most ? -most : e->delta[s] > most ? most : e->delta[s];
        e->delta[s] = e->delta[s] < lo ? lo : e->delta[s] > hi ? hi : e->delta[s];
    }
}

static void act(struct episode *e, struct controller *c, const float *state)
{
    const double began_s = e->cpu != NULL ? clock_cpu_s() : 0.0;
    controller_act(c, e->delta, state);
    if (e->cpu != NULL) {
        e->cpu->cpu_s += clock_cpu_s() - began_s;
        e->cpu->n += 1.0;
    }
}

/* e->delta: what is executed. The controller and the shield see the same, lies included. */
static void decide(struct episode *e, struct controller *c, bool counted)
{
    struct shield_view v = shield_view_of(e->plant, 0);
    const float *state = v.state;
    if (e->lie != NULL) {
        v.state = lie_shown(e->lie, state, v.now_s);
    }
    c->view = v;
    act(e, c, v.state);
    clip_to_bounds(e, state);
    if (e->shielding != NULL) {
        shielding_act(e->shielding, e->delta, c->wanted, &v, counted);
        clip_to_bounds(e, state);
    }
}

/* What an attacker may see. plant_state() may differ after each step, so it is made where it is
 * used. */
static struct sight sight_of(const struct episode *e)
{
    return (struct sight){.state = plant_state(e->plant, 0), .plant = e->plant};
}

/* The observer is shown the state after the period; the action belongs to the state before it,
 * which begin() or the last call has shown. */
static enum err play_period(struct episode *e, struct controller *c, int step,
                            const struct episode_observer *observer)
{
    const struct env_setup *w = e->env_setup;
    struct reward_terms terms;
    struct plant_truth counters;
    const bool counted = step * w->cfg.plant->period_s >= e->warmup_s;
    struct attack_action attack;
    decide(e, c, counted);
    if (e->raider != NULL) {
        const struct sight sight = sight_of(e);
        raider_act(e->raider, &attack, &sight);
    }
    TRY(plant_step(e->plant, e->delta, e->raider != NULL ? &attack : NULL, NULL));
    if (e->raider != NULL) {
        const struct sight sight = sight_of(e);
        raider_observe(e->raider, &sight);
    }
    reward_of_plant(&terms, &counters, e->plant, 0);
    if (counted) {
        episode_account_step(&e->account, &counters, &terms, e->delta, c->conflict);
    }
    if (observer == NULL) {
        return ERR_OK;
    }
    const struct attack_budget left = plant_attack_left(e->plant, 0);
    const struct episode_step shown = {.step = step,
                                       .state = plant_state(e->plant, 0),
                                       .delta = e->delta,
                                       .spec = c->spec,
                                       .action = c->action,
                                       .free_action = c->free_action,
                                       .rules = c->rules,
                                       .shielding = e->shielding,
                                       .truth = &counters,
                                       .reward = &terms,
                                       .attack_all = e->raider != NULL ? &e->attack_all : NULL,
                                       .attack_left = e->raider != NULL ? &left : NULL};
    return observer->see(observer->ctx, &shown);
}

/* The last metric: what the pods could answer at most of all requests. It stays unknown on a plant
 * without cohorts, for an episode that is not scored, with a warm-up, because the bound counts from
 * the first request on, and with a learned attacker, whose requests are in no schedule. A result
 * beyond it is a bug of ours, so the run ends; the margin covers the rounding of two quotients. */
static enum err finish_metrics(struct episode *e, struct episode_metrics *m,
                               const struct controller *c, const struct episode_id *id,
                               double carried)
{
    const double rounding = 1e-9;
    int n = 0;
    const struct plant_cohort *cohorts = plant_cohorts(e->plant, 0, &n);
    if (cohorts == NULL || !episode_metrics_scored(m) || e->warmup_s > 0.0 || e->raider != NULL) {
        return ERR_OK;
    }
    m->upper_bound = upper_bound_of(&e->upper_bound, &e->schedule, id, cohorts, n, carried);
    if (m->slo_attainment > m->upper_bound + rounding) {
        log_error("'%s' answered %.6f of the requests of episode %u in time, more than the %.6f "
                  "that the pods can compute: the simulator or core/eval/upper_bound.c is wrong",
                  c->name, m->slo_attainment, id->env, m->upper_bound);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* Metrics of what came after the warm-up; its windows and events are left out with it. Events are
 * sorted by their start, so the first one that is not skipped is the onset. The warm-up is a whole
 * number of windows (episode_check_warmup()). */
static void finish(struct episode_metrics *out, const struct episode *e)
{
    int n = 0;
    const struct plant_cohort *cohorts = plant_cohorts(e->plant, 0, &n);
    const int skipped = (int)(e->warmup_s / COHORT_S);
    double onset_s = -1.0;
    for (int i = 0; i < e->schedule.n_events && onset_s < 0.0; i++) {
        const double start_s = e->schedule.events[i].start_s;
        onset_s = start_s >= e->warmup_s ? start_s - e->warmup_s : onset_s;
    }
    episode_metrics_finish(out, &e->account, cohorts != NULL ? cohorts + skipped : NULL,
                           n - skipped, onset_s, e->env_setup->cfg.plant);
}

enum err episode_check_warmup(double warmup_s, const struct env_setup *w)
{
    const double period_s = w->cfg.plant->period_s;
    const double periods = warmup_s / period_s;
    if (periods != floor(periods) || fmod(warmup_s, COHORT_S) != 0.0 || periods >= w->cfg.horizon) {
        log_error("eval.warmup_s is %g s; expected a multiple of the decision period "
                  "(plant.period_s, %g s) and of %d s that is shorter than an episode (%g s)",
                  warmup_s, period_s, COHORT_S, w->cfg.horizon * period_s);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* The controller is reset before the plant, since the oracle reads the schedule. Requests that are
 * in flight when the episode begins are answered in it although they were not received in it; the
 * upper bound adds them. */
enum err episode_run(struct episode *e, struct episode_metrics *out, struct controller *c,
                     int scenario, const struct episode_id *id,
                     const struct episode_observer *observer)
{
    const struct env_setup *w = e->env_setup;
    schedule_draw(&e->schedule, &w->scenarios[scenario], id, w->n_seconds);
    episode_account_clear(&e->account);
    controller_reset(c, id, &e->schedule);
    if (e->shielding != NULL) {
        shielding_begin(e->shielding);
    }
    if (e->lie != NULL) {
        lie_begin(e->lie);
    }
    const bool driven = plant_can(e->plant, PLANT_DRIVEN);
    TRY(plant_reset(e->plant, 0, id, driven ? &e->schedule : NULL, w->cfg.horizon));
    if (e->raider != NULL) {
        const struct sight sight = sight_of(e);
        raider_begin(e->raider, id, &sight);
        e->attack_all = plant_attack_left(e->plant, 0);
    }
    const struct plant_truth *truth = plant_truth(e->plant, 0);
    const double carried = truth != NULL ? truth->inflight : 0.0;
    if (observer != NULL && observer->begin != NULL) {
        observer->begin(observer->ctx, plant_state(e->plant, 0));
    }
    for (int step = 0; step < w->cfg.horizon; step++) {
        TRY(play_period(e, c, step, observer));
    }
    finish(out, e);
    TRY(finish_metrics(e, out, c, id, carried));
    if (observer != NULL && observer->end != NULL) {
        observer->end(observer->ctx, out);
    }
    return ERR_OK;
}
