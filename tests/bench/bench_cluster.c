/* Speed of the cluster simulator, on one core.
 *
 * A request-hop is one call at one service, from arrival to answer; a request of the diamond has
 * five. Measured with nothing scaled: at the nominal load; at three times the load (queues full,
 * most calls refused or late); and with the quickstart's plant, a quarter of the requests. Resets
 * and their 45 s of warm-up are part of the time, as they are in a training.
 *
 * The simulator has no slow twin; before it is timed, each case must conserve requests and give the
 * same account twice.
 */
#include "core/cluster/cluster.h"
#include "core/plant/schema.h"
#include "core/scenario/schedule.h"
#include "tests/bench/bench.h"

enum { RUNS = 5, HORIZON = 200, CHECKED = 20, SERVICES_MAX = 64 };

struct bench_case {
    const char *name;
    double rps;
    const char *demand_scale; /* of topology_cfg */
    int periods;              /* of one run */
};

struct bench {
    struct topology_cfg topology_cfg;
    struct plant_cfg plant_cfg;
    struct cluster_cfg cluster_cfg;
    struct topology topology;
    struct schedule schedule;
    struct plant *plant;
};

static enum err load(struct arena *arena, const struct cfg_field *fields, size_t size,
                     const char *set, void *out)
{
    struct cfg cfg;
    cfg_init(&cfg, fields, size, arena);
    return cfg_load(&cfg, NULL, &set, set != NULL ? 1 : 0, out);
}

static enum err bench_init(struct bench *b, struct arena *arena, const struct bench_case *what)
{
    TRY(load(arena, topology_fields, sizeof b->topology_cfg, what->demand_scale, &b->topology_cfg));
    TRY(load(arena, plant_fields, sizeof b->plant_cfg, NULL, &b->plant_cfg));
    TRY(load(arena, cluster_fields, sizeof b->cluster_cfg, NULL, &b->cluster_cfg));
    TRY(topology_init(&b->topology, arena, &b->topology_cfg, NULL));
    const int seconds = (int)(HORIZON * b->plant_cfg.period_s);
    TRY(schedule_init(&b->schedule, arena, seconds));
    b->schedule.n_seconds = seconds;
    for (int i = 0; i < seconds; i++) {
        b->schedule.legit_rps[i] = (float)what->rps;
    }
    return cluster_new(&b->plant, arena, &b->cluster_cfg, &b->plant_cfg, &b->topology, 1, HORIZON);
}

static enum err play(struct bench *b, uint32_t episode, int periods)
{
    static const int32_t none[SERVICES_MAX];
    const struct episode_id id = {.seed = 1, .split = RNG_DEV, .env = 0, .episode = episode};
    for (int done = 0; done < periods; done++) {
        if (done % HORIZON == 0) {
            TRY(plant_reset(b->plant, 0, &id, &b->schedule, HORIZON));
        }
        TRY(plant_step(b->plant, none, NULL, NULL));
    }
    return ERR_OK;
}

static enum err validate(struct bench *b, const char *name)
{
    struct plant_truth truth[2];
    uint64_t hops[2];
    for (int i = 0; i < 2; i++) {
        const uint64_t before = cluster_hops(b->plant);
        TRY(play(b, 0, CHECKED));
        truth[i] = *plant_truth(b->plant, 0);
        hops[i] = cluster_hops(b->plant) - before;
        if (!cluster_consistent(b->plant)) {
            return ERR_MISMATCH;
        }
    }
    if (hops[0] != hops[1] || memcmp(&truth[0], &truth[1], sizeof truth[0]) != 0) {
        fprintf(stderr, "%s: the same episode ended differently the second time\n", name);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

static enum err measure(struct bench *b, const struct bench_case *what, int runs, int periods)
{
    double hops_per_s[RUNS], steps_per_s[RUNS];
    for (int i = 0; i < runs; i++) {
        const uint64_t hops = cluster_hops(b->plant);
        const double start = bench_cpu_s();
        TRY(play(b, (uint32_t)i, periods));
        const double took_s = bench_cpu_s() - start;
        hops_per_s[i] = (double)(cluster_hops(b->plant) - hops) / took_s;
        steps_per_s[i] = periods / took_s;
    }
    bench_row(what->name, bench_median(hops_per_s, runs) * 1e-6, "M request-hops/s",
              "median of %d x %d decisions, CPU time", runs, periods);
    bench_row("", bench_median(steps_per_s, runs), "env-steps/s",
              "the same runs; a decision is 15 s");
    return ERR_OK;
}

static enum err bench(struct arena *arena, const struct bench_case *what, bool quick)
{
    struct bench b;
    TRY(bench_init(&b, arena, what));
    TRY(validate(&b, what->name));
    return measure(&b, what, quick ? 1 : RUNS, quick ? CHECKED : what->periods);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"diamond, 200/s (nominal)", 200.0, "demand_scale=1", 200},
        {"diamond, 600/s (overload)", 600.0, "demand_scale=1", 100},
        {"diamond, 50/s (quickstart)", 50.0, "demand_scale=4", 600},
    };
    const struct bench_options o = bench_options(argc, argv);
    enum err e = ERR_OK;
    bench_title("Cluster simulator, one core");
    for (size_t i = 0; i < sizeof cases / sizeof *cases && e == ERR_OK; i++) {
        struct arena arena;
        arena_init(&arena);
        e = bench(&arena, &cases[i], o.quick);
        arena_release(&arena);
    }
    if (e == ERR_OK) {
        bench_checked("requests conserved; the same episode twice gives the same account");
    }
    return err_exit_code(e);
}
