/* Speed of the cluster simulator, on one core.
 *
 * hop: one call at one service, from arrival to answer; a request of the diamond has five. Printed:
 * hops per second at the nominal load, at three times the load with nothing scaled (queues full,
 * most calls refused or late), and the quickstart's plant in environment steps per second. Median
 * of five runs of about a third of a second each.
 */
#include "core/base/clock.h"
#include "core/cluster/cluster.h"
#include "core/plant/schema.h"
#include "core/scenario/schedule.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 5, HORIZON = 200, SERVICES_MAX = 64 };

struct bench_case {
    const char *name;
    double rps;
    const char *demand_scale; /* of topology_cfg */
    int periods;              /* of one run */
};

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One run: hops/s and env-steps/s. */
static enum err run(struct plant *p, const struct schedule *schedule, uint32_t episode, int periods,
                    double *hops_per_s, double *steps_per_s)
{
    static const int32_t none[SERVICES_MAX];
    struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = 0, .episode = episode};
    uint64_t hops = cluster_hops(p);
    double start = clock_s();
    for (int done = 0; done < periods; done++) {
        if (done % HORIZON == 0) {
            TRY(plant_reset(p, 0, &id, schedule, HORIZON));
        }
        TRY(plant_step(p, none, NULL, NULL));
    }
    double took_s = clock_s() - start;
    *hops_per_s = (double)(cluster_hops(p) - hops) / took_s;
    *steps_per_s = periods / took_s;
    return ERR_OK;
}

static enum err load(struct arena *arena, const struct cfg_field *fields, size_t size,
                     const char *set, void *out)
{
    struct cfg cfg;
    cfg_init(&cfg, fields, size, arena);
    return cfg_load(&cfg, NULL, &set, set != NULL ? 1 : 0, out);
}

static enum err bench(struct arena *arena, const struct bench_case *what)
{
    struct topology_cfg topology_cfg;
    struct plant_cfg plant_cfg;
    struct cluster_cfg cluster_cfg;
    struct topology topology;
    struct schedule schedule;
    struct plant *p;
    double hops[RUNS], steps[RUNS];
    TRY(load(arena, topology_fields, sizeof topology_cfg, what->demand_scale, &topology_cfg));
    TRY(load(arena, plant_fields, sizeof plant_cfg, NULL, &plant_cfg));
    TRY(load(arena, cluster_fields, sizeof cluster_cfg, NULL, &cluster_cfg));
    TRY(topology_init(&topology, arena, &topology_cfg, NULL));
    int seconds = (int)(HORIZON * plant_cfg.period_s);
    TRY(schedule_init(&schedule, arena, seconds));
    schedule.n_seconds = seconds;
    for (int i = 0; i < seconds; i++) {
        schedule.legit_rps[i] = (float)what->rps;
    }
    TRY(cluster_new(&p, arena, &cluster_cfg, &plant_cfg, &topology, 1, HORIZON));
    for (uint32_t i = 0; i < RUNS; i++) {
        TRY(run(p, &schedule, i, what->periods, &hops[i], &steps[i]));
    }
    qsort(hops, RUNS, sizeof *hops, order);
    qsort(steps, RUNS, sizeof *steps, order);
    printf("cluster %-28s %7.2f M hops/s   %9.0f env-steps/s\n", what->name, hops[RUNS / 2] / 1e6,
           steps[RUNS / 2]);
    return ERR_OK;
}

int main(void)
{
    static const struct bench_case cases[] = {
        {"diamond, 200/s (nominal)", 200.0, "demand_scale=1", 200},
        {"diamond, 600/s (overload)", 600.0, "demand_scale=1", 100},
        {"quickstart, 50/s", 50.0, "demand_scale=4", 600},
    };
    enum err e = ERR_OK;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && e == ERR_OK; i++) {
        struct arena arena;
        arena_init(&arena);
        e = bench(&arena, &cases[i]);
        arena_release(&arena);
    }
    return err_exit_code(e);
}
