/* One service under the Kubernetes rule: what the autoscaler finds, and what it asks for. */
#ifndef KARMA_TESTS_KHPA_FIXTURE_H
#define KARMA_TESTS_KHPA_FIXTURE_H

#include "core/controllers/khpa.h"
#include "tests/unit/game_fixture.h"

#include <math.h>

enum { KHPA_STATE_MAX = 256 };

/* Pods of 1000 m, whose limit is beyond every target below. */
static const char KHPA_WORLD[] =
    "topology: {node_cpu_m: 1e8, node_ram_mib: 1e8, limit_ratio: 10, services: [{name: s, "
    "cpu_m: 1000, max_replicas: 1000, initial_replicas: 3, entry: true}]}\n"
    "controllers: [khpa]\n";

/* What the autoscaler finds at a decision. */
struct hpa_service {
    int ready, ignored, missing;
    double used_m; /* of the ready ones */
};

struct fixture {
    struct game_fixture w;
    struct khpa_params params;
    struct controller *khpa;
    float state[KHPA_STATE_MAX];
    float age[KHPA_STATE_MAX];
    int current; /* replicas asked for */
};

/* A new controller that finds `current` replicas; tolerances are those of Kubernetes. */
static inline void start(struct fixture *f, const struct khpa_params *params, double period_s,
                         int current)
{
    game_fixture_open(&f->w, KHPA_WORLD);
    f->w.root.plant.period_s = period_s;
    f->params = *params;
    f->params.tolerance = 0.1;
    f->params.up.tolerance = f->params.down.tolerance = KHPA_TOLERANCE_OF_BOTH;
    f->w.root.controllers[0].method.params = &f->params;
    memset(f->state, 0, sizeof f->state);
    f->khpa = game_fixture_controller(&f->w, 0);
    f->current = current;
}

/* The same as it is configured: `khpa` is the map of its parameters. */
static inline void start_as(struct fixture *f, const char *khpa, double period_s, int current)
{
    char world[1024];
    (void)snprintf(world, sizeof world,
                   "topology: {node_cpu_m: 1e8, node_ram_mib: 1e8, limit_ratio: 10, services: "
                   "[{name: s, cpu_m: 1000, max_replicas: 1000, initial_replicas: 3, entry: "
                   "true}]}\nplant: {period_s: %g}\ncontrollers: [{khpa: %s}]\n",
                   period_s, khpa);
    game_fixture_open(&f->w, world);
    memset(f->state, 0, sizeof f->state);
    f->khpa = game_fixture_controller(&f->w, 0);
    f->current = current;
}

static inline void bounds(struct fixture *f, int least, int most)
{
    f->w.root.topology.services[0].min_replicas = least;
    f->w.root.topology.services[0].max_replicas = most;
}

static inline void stop(struct fixture *f)
{
    game_fixture_close(&f->w);
}

/* Calls/s of the service; infinite: unknown. */
static inline void receives(struct fixture *f, double rate)
{
    const int column = state_service_at(0, SF_RECEIVED);
    memset(f->age, 0, sizeof f->age);
    f->age[column] = isinf(rate) ? INFINITY : 0.0F;
    f->khpa->view.age = f->age;
    f->state[column] = isinf(rate) ? 0.0F : (float)rate;
}

/* One decision; what it asks for is done. */
static inline int decide(struct fixture *f, const struct hpa_service *p)
{
    int32_t delta[1];
    game_fixture_set(&f->w, f->state, 0, SF_DESIRED, f->current);
    game_fixture_set(&f->w, f->state, 0, SF_HPA_READY, p->ready);
    game_fixture_set(&f->w, f->state, 0, SF_HPA_IGNORED, p->ignored);
    game_fixture_set(&f->w, f->state, 0, SF_HPA_MISSING, p->missing);
    game_fixture_set(&f->w, f->state, 0, SF_HPA_CPU, p->used_m);
    controller_act(f->khpa, delta, f->state);
    f->current += delta[0];
    return f->current;
}

#endif
