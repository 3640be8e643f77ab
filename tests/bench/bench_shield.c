/* What a decision costs behind the shield, on one core: observing, deciding and remembering, on the
 * states of an episode of the compared floods with four services.
 *
 * Checked before anything is timed: twice the same decisions give the same changes. */
#include "core/eval/episode.h"
#include "core/plant/schema.h"
#include "mpi/jobs/experiment.h"
#include "tests/bench/bench.h"

enum { RUNS = 21, REPEATS = 200, STEPS = 40, SERVICES_MAX = 8, STATE_MAX = 256 };

struct bench {
    struct experiment x;
    int n_state, n_services;
    float state[STEPS][STATE_MAX], age[STEPS][STATE_MAX];
    double now_s[STEPS];
    int32_t delta[STEPS][SERVICES_MAX], allowed[STEPS][SERVICES_MAX];
};

/* The states of an episode under a rule that keeps changing its mind. */
static enum err record(struct bench *b)
{
    const struct env_setup *w = &b->x.env_setup;
    const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    struct schedule schedule;
    struct plant *plant;
    TRY(schedule_init(&schedule, &b->x.arena, w->n_seconds));
    TRY(env_setup_plant(&plant, &b->x.arena, w, PLANT_KIND_CLUSTER, 1));
    schedule_draw(&schedule, &w->scenarios[0], &id, w->n_seconds);
    TRY(plant_reset(plant, 0, &id, &schedule, STEPS));
    for (int t = 0; t < STEPS; t++) {
        const struct shield_view v = shield_view_of(plant, 0);
        memcpy(b->state[t], v.state, (size_t)b->n_state * sizeof(float));
        memcpy(b->age[t], v.age, (size_t)b->n_state * sizeof(float));
        b->now_s[t] = v.now_s;
        for (int s = 0; s < b->n_services; s++) {
            b->delta[t][s] = (t / 3 + s) % 7 - 3;
        }
        TRY(plant_step(plant, b->delta[t], NULL, NULL));
    }
    return ERR_OK;
}

/* One episode through the shield. */
static void replay(struct bench *b, struct shielding *g, int32_t (*out)[SERVICES_MAX])
{
    shielding_begin(g);
    for (int t = 0; t < STEPS; t++) {
        const struct shield_view v = {b->state[t], b->age[t], b->now_s[t]};
        memcpy(out[t], b->delta[t], sizeof out[t]);
        shielding_act(g, out[t], NULL, &v, true);
    }
}

static enum err run(struct bench *b, const struct bench_options *o)
{
    static int32_t again[STEPS][SERVICES_MAX];
    const int runs = o->quick ? 1 : RUNS;
    struct shielding g;
    double seconds[RUNS];
    b->n_services = b->x.env_setup.topology.n_services;
    b->n_state = state_size(b->n_services);
    TRY(record(b));
    TRY(shielding_init(&g, &b->x.arena, b->x.env_setup.shield, b->x.cfg.plant.period_s));
    replay(b, &g, b->allowed);
    for (int i = 0; i < runs; i++) {
        const double start = bench_cpu_s();
        for (int k = 0; k < REPEATS; k++) {
            replay(b, &g, again);
        }
        seconds[i] = bench_cpu_s() - start;
    }
    if (memcmp(again, b->allowed, sizeof again) != 0) {
        fprintf(stderr, "the same states and proposals gave other changes\n");
        return ERR_MISMATCH;
    }
    bench_row("shield", 1e6 * bench_median(seconds, runs) / (STEPS * REPEATS), "us/decision",
              "observed, decided, counted, %d services", b->n_services);
    bench_checked("decisions are those of the first time; medians of %d, CPU time", runs);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct bench b;
    const struct bench_options o = bench_options(argc, argv);
    bench_title("Shield: a decision on one core, compared floods");
    const char *sets[] = {"eval.shield=true"};
    enum err e = experiment_load(&b.x, "configs/experiments/warm_start_cluster.yaml", sets, 1);
    if (e == ERR_OK) {
        e = run(&b, &o);
        experiment_release(&b.x);
    }
    return err_exit_code(e);
}
