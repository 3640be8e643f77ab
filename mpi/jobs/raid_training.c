/* Describe, look, train or resume. See raid_training.h. */
#include "mpi/jobs/raid_training.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "mpi/jobs/resume.h"
#include "mpi/train/checkpoint_dir.h"
#include "mpi/train/train.h"

#include <inttypes.h>
#include <string.h>

/* The settings of a training: those of `train`, of one team, from scratch, without what is about
 * defenders. */
static struct train_cfg train_cfg_of(const struct raid_training *t)
{
    struct train_cfg cfg = t->world->x->cfg.train;
    cfg.seed = t->seed;
    cfg.init = INIT_SCRATCH;
    cfg.shield = TRAIN_SHIELD_NONE;
    cfg.opponent = OPPONENT_SCRIPTED;
    cfg.cost = COST_FIXED;
    cfg.group = 1;
    cfg.rounds = 1;
    cfg.finish = 0;
    cfg.evaluate.every = 0;
    return cfg;
}

/* ---- what decides the weights ---- */

/* A controller as comment lines behind the configuration. */
static enum err describe_controller(struct buf *b, const struct raid_training *t, int i)
{
    struct buf yaml;
    buf_init(&yaml);
    enum err error =
        cfg_print_resolved(&yaml, controller_fields, t->defended[i].controller, CFG_RESULT);
    const char *at = (const char *)yaml.data, *end = at + yaml.len;
    while (error == ERR_OK && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        error = buf_printf(b, "# against: %.*s\n", (int)(newline - at), at);
        at = newline + 1;
    }
    buf_release(&yaml);
    return error;
}

/* The bound, the twin, and the weights of policies; of several controllers, their shares. */
static enum err describe_place(struct buf *b, const struct raid_training *t)
{
    const struct experiment_cfg *c = &t->world->x->cfg;
    TRY(buf_printf(b, "# against: step bound %d\n", c->eval.step_bound));
    if (c->twin.file[0] != '\0') {
        uint64_t twin;
        TRY(experiment_hash_file(&twin, NULL, c->twin.file));
        TRY(buf_printf(b, "# in the twin %016" PRIx64 "\n", twin));
    }
    for (int i = 0; i < t->mixture.n; i++) {
        if (t->digests[i] != 0) {
            TRY(buf_printf(b, "# against: weights %016" PRIx64 "\n", t->digests[i]));
        }
        if (t->mixture.n > 1) {
            TRY(buf_printf(b, "# against: share %.17g\n", t->mixture.shares[i]));
        }
    }
    return ERR_OK;
}

/* The rows of the configuration, and the controllers. */
enum err raid_training_describe(struct raid_training *t, struct arena *arena)
{
    const struct attack_world *w = t->world;
    struct experiment_cfg cfg = w->x->cfg;
    struct buf b;
    cfg.plant = w->plant;
    cfg.scenarios = &w->x->cfg.scenarios[w->scenario];
    cfg.n_scenarios = 1;
    cfg.train = train_cfg_of(t);
    buf_init(&b);
    enum err error = cfg_print_resolved(&b, experiment_training_fields, &cfg, CFG_RESULT);
    for (int i = 0; i < t->mixture.n && error == ERR_OK; i++) {
        error = describe_controller(&b, t, i);
    }
    error = error == ERR_OK ? describe_place(&b, t) : error;
    t->text =
        error == ERR_OK ? arena_printf(arena, "%.*s", (int)b.len, (const char *)b.data) : NULL;
    buf_release(&b);
    return error == ERR_OK && t->text == NULL ? ERR_MEMORY : error;
}

/* ---- what is there ---- */

enum found { FOUND_NOTHING, FOUND_CHECKPOINT, FOUND_DONE };

/* What the run directory holds. Both files were written for this training, or it is refused. */
static enum err look(enum found *what, const struct raid_training *t, bool restart,
                     struct arena *scratch)
{
    const char *config = file_join(scratch, t->dir, "run.yaml");
    struct buf text;
    bool any = false, done = false;
    TRY(arena_error(scratch));
    TRY(resume_is_done(&done, scratch, t->dir));
    TRY(checkpoint_dir_look(&any, t->dir));
    *what = done ? FOUND_DONE : any ? FOUND_CHECKPOINT : FOUND_NOTHING;
    if (*what == FOUND_NOTHING || restart) {
        *what = FOUND_NOTHING;
        return ERR_OK;
    }
    buf_init(&text);
    enum err error = file_read(&text, config, CFG_FILE_MAX);
    const bool same =
        error == ERR_OK && text.len == strlen(t->text) && memcmp(text.data, t->text, text.len) == 0;
    buf_release(&text);
    if (error == ERR_OK && !same) {
        log_error("%s holds an attacker that was trained otherwise than this configuration says; "
                  "choose another directory with --out DIR, or train anew with --restart (the old "
                  "run is moved aside)",
                  t->dir);
        error = ERR_CONFIG;
    }
    return error;
}

/* Rank 0's answer, on all ranks. Collective. */
static enum err look_together(enum found *what, struct comm *comm, const struct raid_training *t,
                              bool restart, struct arena *scratch)
{
    uint8_t *all = ARENA_NEW(scratch, comm->size, uint8_t);
    *what = FOUND_NOTHING;
    enum err error = arena_error(scratch);
    if (error == ERR_OK && comm->rank == 0) {
        error = look(what, t, restart, scratch);
    }
    TRY(comm_agree(comm, error));
    const uint8_t mine = (uint8_t)*what;
    TRY(comm_gather_all(comm, all, &mine, sizeof mine));
    *what = (enum found)all[0];
    return ERR_OK;
}

/* ---- training ---- */

static enum err train(struct comm *comm, const struct raid_training *t, bool resume,
                      struct arena *scratch)
{
    const struct attack_world *w = t->world;
    const struct experiment_cfg *c = &w->x->cfg;
    const struct train_cfg cfg = train_cfg_of(t);
    struct exploit_source source = {
        .env_setup = &w->train,
        .rules = &w->x->rules,
        .defended = t->defended,
        .mixture = t->mixture,
        .attacker = &w->attacker,
        .step_bound = c->eval.step_bound,
        .seed = t->seed,
    };
    struct attacker_source attacker;
    const char *const *columns = w->source.columns;
    const struct learner_source learner =
        attacker_source_learner(&attacker, &c->attacker, &c->team, &c->mappo, true, columns);
    struct env_source envs;
    const struct train_setup setup = {.train = &cfg,
                                      .envs = &envs,
                                      .learners = &learner,
                                      .run_dir = t->dir,
                                      .config = t->text,
                                      .config_digest =
                                          hash_fnv1a(HASH_START, t->text, strlen(t->text)),
                                      .features = columns};
    const struct train_options opt = {.resume = resume};
    uint64_t digest;
    TRY(comm_agree(comm, exploit_source_envs(&envs, &source, scratch)));
    if (comm->rank == 0) {
        log_info("%s", t->about);
    }
    return train_run(comm, &digest, &setup, &opt);
}

enum err raid_training_run(struct comm *comm, const struct raid_training *t, bool restart,
                           struct arena *scratch)
{
    enum found what;
    TRY(look_together(&what, comm, t, restart, scratch));
    return what == FOUND_DONE ? ERR_OK : train(comm, t, what == FOUND_CHECKPOINT, scratch);
}

enum err raid_training_load(struct raid_training *t, struct arena *arena)
{
    t->source = t->world->source;
    t->source.policy = file_join(arena, t->dir, "policy/weights.bin");
    TRY(arena_error(arena));
    return attacker_team_load(&t->attacker, arena, &t->source, &t->world->attacker.spec);
}
