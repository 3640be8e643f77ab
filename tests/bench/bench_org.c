/* What an organisation costs a rollout, on one core: expressions, masks, coins, rewards, accounts.
 *
 * The tiles of one rollout under the hard masks of KARMA are played; then what the game does with
 * the states, and nothing else, is done again with the recorded states and actions, once under the
 * organisation and once without. The difference is what the organisation costs; how much that is of
 * the rollout is what matters, and the rest of a rollout is simulator and networks.
 *
 * Checked before anything is timed: the masks that come out are those of the rollout, bit by bit.
 */
#include "core/game/game.h"
#include "core/game/org_metrics.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/rollout.h"
#include "mpi/jobs/experiment.h"
#include "tests/bench/bench.h"

enum { RUNS = 21 };
static const char config[] = "configs/experiments/ablation_multi_hard.yaml";

struct bench {
    struct experiment x, plain; /* with and without the organisation */
    struct team team;
    struct mappo_learner player;
    struct rollout *rollout;
    struct rollout_tile tile;
    struct block block;
};

/* One run of the rules through an environment's states. */
struct replay {
    const struct rules *rules;
    struct rules_memory memory;
    struct org_metrics org_metrics;
    float *global_state;
    uint32_t *mask;
    int32_t delta[64];
};

static enum err replay_init(struct replay *r, struct arena *arena, const struct rules *rules)
{
    const struct team_spec *spec = &rules->spec;
    const int n_mask = spec->n_agents * spec->n_factors * env_mask_words(spec);
    *r = (struct replay){.rules = rules,
                         .global_state = ARENA_NEW(arena, spec->n_global_state, float),
                         .mask = ARENA_NEW(arena, n_mask, uint32_t)};
    TRY(arena_error(arena));
    if (rules->guides != NULL) {
        TRY(org_metrics_init(&r->org_metrics, arena, rules->guides));
    }
    return rules_memory_init(&r->memory, arena, rules);
}

/* What the game does around a step, without the plant. */
static void step_rules(struct replay *r, const float *state, const int32_t *action)
{
    const struct team_spec *spec = &r->rules->spec;
    bool conflict;
    rules_observe(&r->memory, r->rules, state);
    for (int a = 0; a < spec->n_agents && r->rules->guides != NULL; a++) {
        struct guides_reward reward;
        rules_reward(&reward, &r->memory, r->rules, a);
        org_metrics_reward(&r->org_metrics, r->rules->guide_of[a], &reward);
    }
    rules_global_state(r->global_state, r->mask, r->rules, &r->memory, state);
    rules_apply(r->delta, &conflict, &r->memory, r->rules, state, action);
    if (r->rules->guides != NULL) {
        const struct guides_memory *m = &r->memory.guides;
        org_metrics_decide(&r->org_metrics, r->rules, m, state);
        for (int a = 0; a < spec->n_agents; a++) {
            const bool compliant = r->memory.compliant[a] != 0;
            org_metrics_choice(&r->org_metrics, r->rules->guide_of[a], compliant, compliant);
        }
    }
}

/* Through all environments of the block; seconds. Counts masks that are not the block's. */
static double replay(const struct bench *b, struct replay *r, int *n_wrong)
{
    const struct team_spec *spec = b->team.spec;
    const struct block *k = &b->block;
    const int n_act = spec->n_agents * spec->n_factors;
    const size_t n_mask = (size_t)(n_act * env_mask_words(spec));
    const double start = bench_cpu_s();
    for (int e = 0; e < k->n_env; e++) {
        const struct episode_id id = {b->x.cfg.train.seed, RNG_TRAIN, (uint32_t)e, 0};
        rules_begin(&r->memory, r->rules, &id);
        for (int t = 0; t < k->n_steps; t++) {
            const int at = e * k->n_steps + t;
            step_rules(r, k->global_state + at * spec->n_global_state, k->action + at * n_act);
            *n_wrong +=
                memcmp(r->mask, k->mask + (size_t)at * n_mask, n_mask * sizeof *r->mask) != 0;
        }
    }
    return bench_cpu_s() - start;
}

static enum err play(struct bench *b, double *seconds)
{
    const struct rollout_cfg cfg = {.seed = b->x.cfg.train.seed};
    b->tile.started = false;
    const double start = bench_cpu_s();
    TRY(rollout_run(b->rollout, (struct block *const[]){&b->block}, &b->tile, &cfg, 0, 0, TILE));
    *seconds = bench_cpu_s() - start;
    return ERR_OK;
}

static enum err bench_init(struct bench *b)
{
    struct arena *arena = &b->x.arena;
    TRY(team_init(&b->team, arena, &b->x.cfg.team, &b->x.rules.spec));
    TRY(team_init_params(&b->team, b->x.cfg.train.seed, arena));
    TRY(mappo_learner_init(&b->player, arena, &b->team, NULL));
    TRY(rollout_init(&b->rollout, arena, &b->x.rules.env,
                     (struct learner *const[]){&b->player.base}));
    TRY(game_new(&b->tile.env, arena, &b->x.rules, TILE, b->x.cfg.train.seed, NULL));
    return block_init(&b->block, arena, &b->x.rules.env, 0, TILE, b->x.cfg.train.steps);
}

static enum err bench_run(struct bench *b, const struct bench_options *o)
{
    const int runs = o->quick ? 1 : RUNS;
    const double n = TILE * b->x.cfg.train.steps;
    struct replay with, without;
    double rollout[RUNS], guided[RUNS], plain[RUNS];
    int n_wrong = 0, ignored = 0;
    TRY(bench_init(b));
    TRY(replay_init(&with, &b->x.arena, &b->x.rules));
    TRY(replay_init(&without, &b->x.arena, &b->plain.rules));
    for (int i = 0; i < runs; i++) {
        TRY(play(b, &rollout[i]));
        guided[i] = replay(b, &with, &n_wrong);
        plain[i] = replay(b, &without, &ignored);
    }
    if (n_wrong > 0 || ignored == 0) {
        fprintf(stderr, "%d masks are not those of the rollout, %d of the game without roles\n",
                n_wrong, ignored);
        return ERR_MISMATCH;
    }
    const double whole = bench_median(rollout, runs) / n;
    const double cost = (bench_median(guided, runs) - bench_median(plain, runs)) / n;
    bench_row("rollout under hard roles", 1.0 / whole, "env-steps/s", "%.0f us each", 1e6 * whole);
    bench_row("organisation", 1e6 * cost, "us/env-step",
              "expressions, masks, coins, rewards, accounts of %d agents", b->team.spec->n_agents);
    bench_row("organisation", 100.0 * cost / whole, "% of a rollout", "the share of the two");
    bench_checked("the masks are those of the rollout, bit by bit; medians of %d, CPU time", runs);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct bench b;
    static const char *const none[] = {"organisation.agents=[]", "train.steps=25"};
    const struct bench_options o = bench_options(argc, argv);
    bench_title("Organisation: what it costs a rollout, one core, compared floods");
    enum err e = experiment_load(&b.x, config, none + 1, 1);
    if (e == ERR_OK) {
        e = experiment_load(&b.plain, config, none, 2);
        if (e == ERR_OK) {
            e = bench_run(&b, &o);
            experiment_release(&b.plain);
        }
        experiment_release(&b.x);
    }
    return err_exit_code(e);
}
