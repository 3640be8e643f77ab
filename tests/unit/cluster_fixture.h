/* A cluster under test: services given as rows, loads and events set by hand. */
#ifndef KARMA_TESTS_CLUSTER_FIXTURE_H
#define KARMA_TESTS_CLUSTER_FIXTURE_H

#include "core/base/log.h"
#include "core/cluster/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIXTURE_SERVICES = 8, FIXTURE_SECONDS = 3000, FIXTURE_HORIZON = 200 };

struct cluster_fixture {
    struct arena arena;
    struct service_cfg services[FIXTURE_SERVICES];
    struct topology_cfg topology_cfg;
    struct plant_cfg plant_cfg;
    struct cluster_cfg cluster_cfg;
    struct topology topology;
    struct schedule schedule;
    struct plant *plant;
    struct episode_id id;
    int32_t delta[4 * FIXTURE_SERVICES];
};

/* Equal but for rounding. */
static inline bool near(double a, double b)
{
    return fabs(a - b) < 1e-9 * (1.0 + fabs(b));
}

/* A service; what is not said is as in the configuration. */
static inline struct service_cfg fixture_service(const char *name, double cpu_m, double ram_mib,
                                                 double rate, int most, int initial)
{
    return (struct service_cfg){
        .name = name,
        .cpu_m = cpu_m,
        .ram_mib = ram_mib,
        .capacity_rps = rate,
        .min_replicas = 1,
        .max_replicas = most,
        .initial_replicas = initial,
        .cv = 1,
    };
}

static inline void fixture_calls(struct service_cfg *service, const char **calls, int n)
{
    service->calls = calls;
    service->n_calls = n;
}

/* Defaults of the project: the diamond a -> b, c -> d of arXiv 2505.21559 on 16 vCPU. */
static inline void fixture_diamond(struct cluster_fixture *w)
{
    static const char *bc[] = {"b", "c"}, *d[] = {"d"};
    *w = (struct cluster_fixture){
        .services = {fixture_service("a", 500, 256, 100, 10, 4),
                     fixture_service("b", 400, 512, 80, 10, 5),
                     fixture_service("c", 600, 512, 150, 10, 3),
                     fixture_service("d", 700, 1024, 300, 10, 3)},
        .topology_cfg = {.n_services = 4,
                         .node_cpu_m = 16000,
                         .node_ram_mib = 32768,
                         .limit_ratio = 1,
                         .demand_scale = 1,
                         .queue_per_pod = 100,
                         .slots_per_pod = 64},
        .plant_cfg = {.period_s = 15,
                      .scrape_s = 5,
                      .window_s = 30,
                      .hpa_window_s = 15,
                      .lag_s = 7.5,
                      .latency_max_ms = 200,
                      .timeout_s = 2,
                      .cost_weight = 0.2,
                      .attack_requests = 100,
                      .attack_crashes = 100,
                      .alpha = 3},
        .cluster_cfg = {.start_s = 20,
                        .start_sd_s = 6,
                        .backoff_s = 10,
                        .backoff_max_s = 300,
                        .backoff_reset_s = 600,
                        .warm_factor = 1,
                        .grace_s = 30,
                        .deadline_propagation = true,
                        .bytes_per_call = 1000,
                        .ram_base_mib = 100,
                        .ram_call_mib = 1},
        .id = {.seed = 7, .split = RNG_TEST_SPLIT, .env = 3, .episode = 5},
    };
    w->services[0].entry = true;
    fixture_calls(&w->services[0], bc, 2);
    fixture_calls(&w->services[1], d, 1);
    fixture_calls(&w->services[2], d, 1);
}

/* A chain of n services, each one pod of one core that answers rate calls/s. */
static inline void fixture_chain(struct cluster_fixture *w, int n, double rate)
{
    static const char *const names[] = {"s0", "s1", "s2", "s3"};
    static const char *calls[] = {"s1", "s2", "s3"};
    fixture_diamond(w);
    for (int i = 0; i < n; i++) {
        w->services[i] = fixture_service(names[i], 1000, 100, rate, 10, 1);
        w->services[i].entry = i == 0;
        if (i + 1 < n) {
            fixture_calls(&w->services[i], &calls[i], 1);
        }
    }
    w->topology_cfg.n_services = n;
}

/* Make it: after the tables are as the test wants them. */
static inline void fixture_open(struct cluster_fixture *w, int n_env)
{
    arena_init(&w->arena);
    w->topology_cfg.services = w->services;
    assert_int_equal(topology_init(&w->topology, &w->arena, &w->topology_cfg, NULL), ERR_OK);
    assert_int_equal(schedule_init(&w->schedule, &w->arena, FIXTURE_SECONDS), ERR_OK);
    w->schedule.n_seconds = FIXTURE_SECONDS;
    w->schedule.n_events = 0;
    w->schedule.onset_s = -1.0;
    w->schedule.node_cpu_m = w->topology_cfg.node_cpu_m;
    assert_int_equal(cluster_new(&w->plant, &w->arena, &w->cluster_cfg, &w->plant_cfg, &w->topology,
                                 n_env, FIXTURE_HORIZON),
                     ERR_OK);
}

static inline void fixture_close(struct cluster_fixture *w)
{
    arena_release(&w->arena);
}

static inline void fixture_rate(struct cluster_fixture *w, int from, int to, double legit,
                                double attack)
{
    for (int t = from; t < to; t++) {
        w->schedule.legit_rps[t] = (float)legit;
        w->schedule.attack_rps[t] = (float)attack;
    }
}

/* Make it with one environment and the same load, requests/s, all the time. */
static inline void fixture_open_under(struct cluster_fixture *w, double legit, double attack)
{
    fixture_open(w, 1);
    fixture_rate(w, 0, FIXTURE_SECONDS, legit, attack);
}

static inline void fixture_event(struct cluster_fixture *w, enum event_kind kind, int service,
                                 double start_s, double duration_s, double magnitude)
{
    w->schedule.events[w->schedule.n_events++] = (struct event){
        .kind = kind,
        .service = service,
        .start_s = start_s,
        .duration_s = duration_s,
        .magnitude = magnitude,
    };
}

static inline struct sim *fixture_sim(struct cluster_fixture *w, int lid)
{
    return &((struct cluster *)w->plant)->sims[lid];
}

/* All environments at the start of the episode; the first one. */
static inline struct sim *fixture_reset(struct cluster_fixture *w)
{
    for (int i = 0; i < w->plant->n_env; i++) {
        assert_int_equal(plant_reset(w->plant, i, &w->id, &w->schedule, FIXTURE_HORIZON), ERR_OK);
    }
    return fixture_sim(w, 0);
}

/* One environment, at the start of its episode. */
static inline struct sim *fixture_start(struct cluster_fixture *w)
{
    fixture_open(w, 1);
    return fixture_reset(w);
}

/* A legitimate request that arrives at `at`. */
static inline void fixture_request(struct sim *s, double at)
{
    sim_run(s, at);
    sim_request(s, &s->legit);
    s->legit.n++;
}

/* One period; w->delta is used once. */
static inline const struct plant_truth *fixture_step(struct cluster_fixture *w)
{
    assert_int_equal(plant_step(w->plant, w->delta, NULL, NULL), ERR_OK);
    memset(w->delta, 0, sizeof(w->delta));
    return plant_truth(w->plant, 0);
}

static inline double fixture_feature(const struct cluster_fixture *w, int service,
                                     enum service_feature f)
{
    return (double)plant_state(w->plant, 0)[state_service_at(service, f)];
}

static inline double fixture_global(const struct cluster_fixture *w, enum global_feature f)
{
    return (double)plant_state(w->plant, 0)[state_global_at(w->topology.n_services, f)];
}

#endif
