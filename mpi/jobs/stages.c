/* Rounds with a refitted twin, and the end on the simulator. See stages.h. */
#include "mpi/jobs/stages.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/controller.h"
#include "mpi/jobs/collect.h"
#include "mpi/jobs/fit.h"
#include "mpi/train/trainlog.h"

/* Round `number` >= 2, its files and, once it has begun, its twin. */
struct round {
    struct stages *stages;
    int number;
    const char *dir, *store;
    const char *before;   /* the twin of the round before */
    struct twin_cfg twin; /* the configured one, but for its file */
    struct env_setup env_setup;
    struct rules rules;
    struct method method;
    struct game_source game;
    struct env_source envs;
};

/* The configuration with another twin, or none, as a place to train. */
static enum err make_place(struct env_setup *w, struct rules *rules, struct method *method,
                           struct experiment *x, const struct twin_cfg *twin)
{
    struct env_setup_cfg parts = x->env_setup.cfg;
    parts.cluster = &x->cfg.cluster;
    parts.twin = twin;
    TRY(env_setup_init(w, &x->arena, &parts, &x->reader));
    TRY(env_setup_load_twin(w, &x->arena, &x->reader));
    TRY(experiment_rules(rules, &x->arena, &x->cfg, w, &x->reader));
    return experiment_method(method, &x->arena, &x->cfg, rules, &x->reader);
}

/* ---- a round ---- */

/* The same answer on all ranks: rank 0's. */
static enum err is_made(bool *made, const struct round *r, struct comm *comm)
{
    uint8_t *all = ARENA_NEW(&r->stages->x->arena, comm->size, uint8_t);
    const uint8_t mine = file_exists(r->twin.file) ? 1 : 0;
    TRY(comm_agree(comm, arena_error(&r->stages->x->arena)));
    TRY(comm_gather_all(comm, all, &mine, sizeof mine));
    *made = all[0] != 0;
    return ERR_OK;
}

/* Rank 0: the team as it is, for the controller `policy`. */
static enum err write_policy(const struct round *r, const struct learner *learner)
{
    const struct train_setup *setup = r->stages->setup;
    const char *path = arena_printf(&r->stages->x->arena, "%s/policy/weights.bin", r->dir);
    TRY(arena_error(&r->stages->x->arena));
    TRY(file_make_parents(path));
    return trainlog_write_policy(path, setup, learner, setup->features);
}

/* The controller that plays: a policy for which no run is named is that of run.dir. */
static const char player[] = "policy: {mode: sample}";

/* The team plays on the simulator, by sampled choices as in training. Episodes come from the TRAIN
 * domain under the training's seed, each round its own numbers. The store is one of the twin's
 * making, since the two are merged. */
static enum err play(struct round *r, struct comm *comm)
{
    struct experiment *x = r->stages->x;
    const struct train_cfg *train = &x->cfg.train;
    struct experiment on_simulator = *x;
    struct controller_cfg team;
    struct cfg reader;
    const struct store_header *of_twin = &x->env_setup.twin->features.header;
    const struct collect_cfg cfg = {.path = r->store,
                                    .licence = of_twin->licence,
                                    .split_seed = of_twin->split_seed,
                                    .validation = of_twin->validation,
                                    .held_out = of_twin->held_out,
                                    .in_locked_dir = true};
    cfg_init(&reader, controller_fields, sizeof team, &x->arena);
    TRY(comm_agree(comm, cfg_load_text(&reader, "train.rounds", player, NULL, 0, &team)));
    on_simulator.cfg.run.dir = r->dir;
    on_simulator.cfg.eval.controllers = &team;
    on_simulator.cfg.eval.n_controllers = 1;
    on_simulator.cfg.eval.n_joined = 0;
    on_simulator.cfg.eval.episodes = train->round_episodes;
    on_simulator.cfg.eval.first = (r->number - 2) * train->round_episodes;
    on_simulator.cfg.eval.seed = train->seed;
    on_simulator.cfg.eval.plant = PLANT_KIND_CLUSTER;
    return collect_run(comm, &on_simulator, x->path, &cfg);
}

/* With the settings that the first twin was fitted with; it carries them. */
static enum err refit(struct round *r, struct comm *comm)
{
    struct experiment *x = r->stages->x;
    const char *yaml = x->env_setup.twin->fit;
    struct fit_cfg cfg;
    struct cfg reader;
    struct fit_outcome outcome;
    cfg_init(&reader, fit_fields, sizeof cfg, &x->arena);
    TRY(comm_agree(comm, cfg_load_text(&reader, x->cfg.twin.file, yaml, NULL, 0, &cfg)));
    const struct fluid_cfg fluid = twin_fluid_cfg(&x->cfg.twin);
    const struct fit_order order = {.kind = (enum twin_kind)x->cfg.twin.kind,
                                    .plant = &x->cfg.plant,
                                    .fluid = &fluid,
                                    .stores = &r->store,
                                    .n_stores = 1,
                                    .out = r->twin.file,
                                    .from = r->before,
                                    .cfg = &cfg,
                                    .yaml = yaml,
                                    .in_locked_dir = true};
    TRY(fit_run(comm, &outcome, &x->arena, &order));
    if (outcome.waiting) {
        if (comm->rank == 0) {
            log_error("round %d: %d new transitions, and a refit needs %d; raise "
                      "train.round_episodes and train anew (--restart)",
                      r->number, outcome.n_new, REFIT_TRANSITIONS);
        }
        return ERR_CONFIG;
    }
    if (comm->rank == 0 && order.kind == TWIN_QUEUEING) {
        log_info("round %d: %d new transitions; error of the twin on validation episodes %.4f of "
                 "the share answered in time",
                 r->number, outcome.n_new, outcome.errors.in_time);
    } else if (comm->rank == 0) {
        log_info("round %d: %d new transitions; error of the twin on validation episodes %.4f "
                 "before, %.4f now",
                 r->number, outcome.n_new, outcome.before, outcome.after);
    }
    return ERR_OK;
}

/* Collective. The twin's file appears when it is complete, so it tells whether the round was made.
 * */
static enum err begin_round(void *ctx, struct comm *comm, struct learner *const *learners)
{
    struct round *r = ctx;
    struct experiment *x = r->stages->x;
    bool made = false;
    TRY(is_made(&made, r, comm));
    if (!made) {
        TRY(comm_agree(comm, comm->rank == 0 ? write_policy(r, learners[0]) : ERR_OK));
        TRY(play(r, comm));
        TRY(refit(r, comm));
    }
    TRY(comm_agree(comm, make_place(&r->env_setup, &r->rules, &r->method, x, &r->twin)));
    r->envs = game_source_envs(&r->game, &x->cfg.train, &r->method);
    return ERR_OK;
}

/* ---- all stages ---- */

/* The rounds divide the updates in the twin into parts that differ by one update at most. */
static enum err add_rounds(struct stages *s)
{
    struct experiment *x = s->x;
    struct arena *arena = &x->arena;
    const struct train_cfg *train = &x->cfg.train;
    const int in_twin = train->updates - train->finish;
    const char *before = x->cfg.twin.file;
    s->rounds = ARENA_NEW(arena, train->rounds, struct round);
    TRY(arena_error(arena));
    for (int i = 1; i < train->rounds; i++) {
        struct round *r = &s->rounds[i - 1];
        *r = (struct round){.stages = s,
                            .number = i + 1,
                            .dir = arena_printf(arena, "%s/rounds/%d", x->cfg.run.dir, i + 1),
                            .before = before,
                            .twin = x->cfg.twin};
        r->store = arena_printf(arena, "%s/rounds/%d/store", x->cfg.run.dir, i + 1);
        r->twin.file = arena_printf(arena, "%s/rounds/%d/twin", x->cfg.run.dir, i + 1);
        TRY(arena_error(arena));
        s->list[s->setup->n_later++] = (struct train_stage){
            .after = (int)((int64_t)in_twin * i / train->rounds),
            .envs = &r->envs,
            .where = arena_printf(arena, "in the twin %s", r->twin.file),
            .begin = begin_round,
            .ctx = r,
        };
        TRY(arena_error(arena));
        before = r->twin.file;
    }
    return ERR_OK;
}

static enum err add_finish(struct stages *s)
{
    struct experiment *x = s->x;
    const struct train_cfg *train = &x->cfg.train;
    if (train->finish == 0) {
        return ERR_OK;
    }
    TRY(make_place(&s->simulator, &s->rules, &s->method, x, NULL));
    s->envs = game_source_envs(&s->game, train, &s->method);
    if (x->attacker != NULL) {
        TRY(attacked_envs(&s->envs, &s->attacked, x, &s->game, s->population));
    }
    s->list[s->setup->n_later++] = (struct train_stage){
        .after = train->updates - train->finish, .envs = &s->envs, .where = "on the simulator"};
    return ERR_OK;
}

enum err stages_init(struct stages *s, struct train_setup *setup, const struct attacked *a,
                     struct experiment *x)
{
    *s = (struct stages){.x = x,
                         .setup = setup,
                         .population = &a->population,
                         .list = ARENA_NEW(&x->arena, x->cfg.train.rounds, struct train_stage)};
    TRY(arena_error(&x->arena));
    setup->later = s->list;
    setup->n_later = 0;
    TRY(add_rounds(s));
    return add_finish(s);
}
