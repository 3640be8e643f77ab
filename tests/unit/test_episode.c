/* One episode on the cluster simulator: the loop, the bounds, the observer. */
#include "core/eval/episode.h"

#include "core/plant/schema.h"
#include "mpi/jobs/experiment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

struct fixture {
    struct experiment x;
    struct episode e;
    int n_services;
};

static const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = 2};

static int setup(void **state)
{
    static struct fixture f;
    static const char *const sets[] = {"game.horizon=12"};
    assert_int_equal(experiment_load(&f.x, "configs/experiments/warm_start.yaml", sets, 1), ERR_OK);
    assert_int_equal(episode_init(&f.e, &f.x.arena, &f.x.env_setup), ERR_OK);
    f.n_services = f.x.env_setup.topology.n_services;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    experiment_release(&((struct fixture *)*state)->x);
    return 0;
}

/* Wants more than there can be, then less than there may be. */
struct greedy {
    struct controller base;
    int32_t requested;
};

static void greedy_reset(struct controller *c, const struct episode_id *episode,
                         const struct schedule *future)
{
    (void)c;
    (void)episode;
    (void)future;
}

static void greedy_act(struct controller *c, int32_t *delta, const float *state)
{
    (void)state;
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        delta[s] = ((struct greedy *)c)->requested;
    }
}

static const struct controller_ops greedy_ops = {.reset = greedy_reset, .act = greedy_act};

struct observed {
    const struct fixture *f;
    int n_steps;
    double received, delta_sum;
    float desired; /* of service 0 after the last step */
    enum err fails;
};

static enum err see(void *ctx, const struct episode_step *step)
{
    struct observed *s = ctx;
    assert_int_equal(step->step, s->n_steps++);
    s->received += step->truth->received;
    for (int i = 0; i < s->f->n_services; i++) {
        s->delta_sum += abs(step->delta[i]);
    }
    s->desired = step->state[state_service_at(0, SF_DESIRED)];
    return s->n_steps == 5 ? s->fails : ERR_OK;
}

static enum err play(struct fixture *f, struct episode_metrics *m, struct observed *observed,
                     int32_t requested)
{
    struct greedy c = {.base = {.ops = &greedy_ops, .env_setup = &f->x.env_setup, .name = "greedy"},
                       .requested = requested};
    const struct episode_observer observer = {.ctx = observed, .see = see};
    return episode_run(&f->e, m, &c.base, 0, &id, observed == NULL ? NULL : &observer);
}

static void no_change_costs_the_initial_replicas(void **state)
{
    struct fixture *f = *state;
    struct episode_metrics m;
    struct observed observed = {.f = f};
    double initial_m = 0;
    for (int s = 0; s < f->n_services; s++) {
        const struct service_cfg *c = &f->x.cfg.topology.services[s];
        initial_m += c->initial_replicas * c->cpu_m;
    }
    assert_int_equal(play(f, &m, &observed, 0), ERR_OK);
    assert_int_equal(observed.n_steps, 12);
    assert_near(observed.delta_sum, 0, 0);
    assert_true(observed.received > 0);
    assert_near(m.vcpu, initial_m / 1000, 1e-9);
    assert_near(m.vcpu_h, m.vcpu * 12 * f->x.cfg.plant.period_s / 3600, 1e-9);
    assert_near(m.scalings, 0, 0);
}

static void bounds_hold_for_everybody(void **state)
{
    struct fixture *f = *state;
    const struct service_cfg *service = &f->x.cfg.topology.services[0];
    struct episode_metrics m;
    struct observed up = {.f = f};
    struct observed down = {.f = f};
    assert_int_equal(play(f, &m, &up, 1000), ERR_OK);
    assert_true(up.desired == (float)service->max_replicas);
    assert_int_equal(play(f, &m, &down, -1000), ERR_OK);
    assert_true(down.desired == (float)service->min_replicas);
}

/* The step bound holds for everybody, too: a pod a decision, in either direction. */
static void steps_are_bounded(void **state)
{
    struct fixture *f = *state;
    const struct service_cfg *service = &f->x.cfg.topology.services[0];
    struct episode_metrics m;
    struct observed up = {.f = f, .fails = ERR_IO}, all = {.f = f},
                    down = {.f = f, .fails = ERR_IO};
    f->e.step_bound = 1;
    assert_int_equal(play(f, &m, &up, 1000), ERR_IO); /* after 5 decisions */
    assert_true(up.desired == (float)(service->initial_replicas + 5));
    assert_int_equal(play(f, &m, &down, -1000), ERR_IO);
    assert_true(down.desired == (float)service->min_replicas ||
                down.desired == (float)(service->initial_replicas - 5));
    f->e.step_bound = 1000;
    assert_int_equal(play(f, &m, &all, 1000), ERR_OK);
    assert_true(all.desired == (float)service->max_replicas);
    f->e.step_bound = 0;
}

/* An episode is a function of its identity and of what the controller does. */
static void the_same_again(void **state)
{
    struct fixture *f = *state;
    struct episode_metrics a;
    struct episode_metrics b;
    struct episode_metrics other;
    assert_int_equal(play(f, &a, NULL, 1), ERR_OK);
    assert_int_equal(play(f, &other, NULL, 0), ERR_OK);
    assert_int_equal(play(f, &b, NULL, 1), ERR_OK);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(memcmp(&a, &other, sizeof a) != 0);
}

/* Common random numbers: another controller meets the same arrivals. */
static void arrivals_do_not_depend_on_the_controller(void **state)
{
    struct fixture *f = *state;
    struct episode_metrics m;
    struct observed idle = {.f = f};
    struct observed busy = {.f = f};
    assert_int_equal(play(f, &m, &idle, 0), ERR_OK);
    assert_int_equal(play(f, &m, &busy, 1), ERR_OK);
    assert_near(idle.received, busy.received, 0);
}

struct late {
    double received, compliant;
};

static enum err see_late(void *ctx, const struct episode_step *step)
{
    struct late *l = ctx;
    l->received += step->step >= 6 ? step->truth->received : 0.0;
    l->compliant += step->step >= 6 ? step->truth->compliant : 0.0;
    return ERR_OK;
}

/* The controller acts from the start, but only what comes after the warm-up counts. */
static void a_warm_up_is_played_and_not_counted(void **state)
{
    struct fixture *f = *state;
    struct greedy c = {.base = {.ops = &greedy_ops, .env_setup = &f->x.env_setup, .name = "greedy"},
                       .requested = 1};
    struct episode_metrics whole, late;
    struct late observed = {0};
    const struct episode_observer observer = {.ctx = &observed, .see = see_late};
    assert_int_equal(play(f, &whole, NULL, 1), ERR_OK);
    f->e.warmup_s = 90;
    const enum err e = episode_run(&f->e, &late, &c.base, 0, &id, &observer);
    f->e.warmup_s = 0;
    assert_int_equal(e, ERR_OK);
    assert_near(late.slo_attainment, observed.compliant / observed.received, 1e-12);
    assert_true(late.vcpu > whole.vcpu); /* it had more pods by then */
    assert_near(late.vcpu_h, late.vcpu * 6 * f->x.cfg.plant.period_s / 3600, 1e-9);
    assert_true(isfinite(whole.upper_bound) && isnan(late.upper_bound));
    assert_int_equal(episode_check_warmup(90, &f->x.env_setup), ERR_OK);
    assert_int_equal(episode_check_warmup(0, &f->x.env_setup), ERR_OK);
    assert_int_equal(episode_check_warmup(95, &f->x.env_setup), ERR_CONFIG);
    assert_int_equal(episode_check_warmup(180, &f->x.env_setup),
                     ERR_CONFIG); /* the whole episode */
}

static void an_observer_can_stop_it(void **state)
{
    struct fixture *f = *state;
    struct episode_metrics m;
    struct observed observed = {.f = f, .fails = ERR_IO};
    assert_int_equal(play(f, &m, &observed, 0), ERR_IO);
    assert_int_equal(observed.n_steps, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_change_costs_the_initial_replicas),
        cmocka_unit_test(bounds_hold_for_everybody),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(arrivals_do_not_depend_on_the_controller),
        cmocka_unit_test(an_observer_can_stop_it),
        cmocka_unit_test(a_warm_up_is_played_and_not_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
