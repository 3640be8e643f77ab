/* The declared training as a command, and compared with what a policy carries. See recipe.h. */
#include "mpi/jobs/recipe.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/rundir.h"
#include "core/base/shell.h"
#include "core/controllers/trained.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct trained_cfg *arm_of(const struct recipe *r)
{
    return controller_trained(&r->x->cfg.eval.controllers[r->controller]);
}

static const char *label_of(const struct recipe *r)
{
    return controller_label(&r->x->cfg.eval.controllers[r->controller]);
}

enum err recipe_check_keys(const struct experiment *x, int controller)
{
    const struct controller_cfg *controller_cfg = &x->cfg.eval.controllers[controller];
    const struct trained_cfg *c = controller_trained(controller_cfg);
    char key[64];
    if (c == NULL) {
        return ERR_OK;
    }
    (void)snprintf(key, sizeof key, "%s.%s", eval_key_of(&x->cfg.eval, controller).text,
                   controller_cfg->method.kind->name);
    if (c->training[0] == '\0' && (c->n_settings > 0 || c->n_seeds > 0)) {
        return cfg_error(&x->reader, key,
                         "settings and seeds belong to a training; name its "
                         "configuration with training: FILE");
    }
    const int n = c->n_policies > 0 ? c->n_policies : 1;
    if (c->n_seeds > 0 && c->n_seeds != n) {
        return cfg_error(&x->reader, key, "there are %d seeds for %d policies; give one each",
                         c->n_seeds, n);
    }
    return ERR_OK;
}

/* The configuration that `training` and `settings` name; nothing is built from it. */
static enum err load_declared(struct experiment_cfg *cfg, const struct trained_cfg *c,
                              struct arena *arena)
{
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof *cfg, arena);
    return cfg_load(&reader, c->training, c->settings, c->n_settings, cfg);
}

/* ---- the command ---- */

/* " --set KEY=VALUE" behind `command`; NULL when out of memory, as both arguments may be. */
static const char *with_set(struct arena *arena, const char *command, const char *set)
{
    return command != NULL && set != NULL
               ? arena_printf(arena, "%s --set %s", command, shell_word(arena, set))
               : NULL;
}

/* The command that makes this policy, in words that a shell takes as they are. Without declared
 * seeds several policies get the seeds 1, 2, ..., because equal seeds would give equal policies.
 * NULL when out of memory. */
static const char *training_command(const struct recipe *r, const char *config, struct arena *arena)
{
    const struct trained_cfg *c = arm_of(r);
    const char *file = shell_word(arena, config);
    const char *command = file != NULL ? arena_printf(arena, "karma train %s", file) : NULL;
    for (int i = 0; i < c->n_settings; i++) {
        command = with_set(arena, command, c->settings[i]);
    }
    if (c->n_seeds > 0) {
        command = with_set(arena, command,
                           arena_printf(arena, "train.seed=%" PRIu64, c->seeds[r->policy]));
    } else if (c->n_policies > 1) {
        command = with_set(arena, command, arena_printf(arena, "train.seed=%d", r->policy + 1));
    }
    return with_set(arena, command, arena_printf(arena, "run.dir=%s", r->run));
}

/* The twin that the training needs, if there is no such file; NULL: it needs none, or has it. */
static const char *missing_twin(const struct recipe *r, struct arena *arena)
{
    const struct trained_cfg *c = arm_of(r);
    struct experiment_cfg declared;
    const char *file = r->x->cfg.twin.file;
    if (c->training[0] != '\0') {
        file = load_declared(&declared, c, arena) == ERR_OK ? declared.twin.file : "";
    }
    return file[0] != '\0' && !file_exists(file) ? file : NULL;
}

/* Three cases: nothing says how the policy is made; its directory is none that a training may
 * write; or the command is known, and before it perhaps those of the twin in which the
 * training takes place. */
void recipe_missing(const struct recipe *r, const char *path, struct arena *arena)
{
    const struct trained_cfg *c = arm_of(r);
    const char *label = label_of(r);
    if (c->training[0] == '\0' && c->n_policies > 0) {
        log_error("%s: there is no trained policy, and '%s' does not say how one is made; train it "
                  "with --set run.dir=%s, and name the configuration of that training in %s: "
                  "training: FILE, in %s.%s",
                  path, label, r->run, r->config_path,
                  eval_key_of(&r->x->cfg.eval, r->controller).text,
                  r->x->cfg.eval.controllers[r->controller].method.kind->name);
        return;
    }
    if (rundir_check_name(r->run) != ERR_OK) {
        log_error("%s: there is no trained policy, and no training can write there; choose another "
                  "directory",
                  path);
        return;
    }
    const char *config = c->training[0] != '\0' ? c->training : r->config_path;
    const char *command = training_command(r, config, arena);
    const char *twin = missing_twin(r, arena);
    log_error("%s: there is no trained policy; make it with: %s", path,
              command != NULL ? command : "karma train");
    if (twin != NULL) {
        const char *commands = experiment_twin_commands(arena, twin, config);
        log_error("that training takes place in a twin, %s, which is missing, too; make it first "
                  "with: %s",
                  twin, commands != NULL ? commands : "karma twin fit");
    }
}

/* ---- the check ---- */

/* By the contents of the files they name; false if one cannot be read. */
static bool same_digest(const struct experiment_cfg *a, const struct experiment_cfg *b)
{
    const struct log_sink before = log_sink_now();
    uint64_t digest_a = 0, digest_b = 1;
    log_set_sink(log_discard, NULL);
    enum err e = experiment_training_digest(&digest_a, a);
    if (e == ERR_OK) {
        e = experiment_training_digest(&digest_b, b);
    }
    log_set_sink(before.sink, before.ctx);
    return e == ERR_OK && digest_a == digest_b;
}

/* What differs, the seed left aside; "" if nothing does. Two names of files with the same
 * contents are no difference. In the arena. The text of experiment_diff() is "" with its NUL,
 * one byte, if all rows are equal. The digests are compared only where rows differ, because they
 * read the files. */
static enum err differences(const char **out, const struct experiment_cfg *declared,
                            const struct experiment_cfg *found, struct arena *arena)
{
    struct experiment_cfg other = *found;
    struct buf text;
    other.train.seed = declared->train.seed;
    buf_init(&text);
    enum err e = experiment_diff(&text, experiment_training_fields, declared, &other);
    const bool same = e == ERR_OK && (text.len <= 1 || same_digest(declared, &other));
    *out = e != ERR_OK || same ? "" : arena_strdup(arena, (const char *)text.data);
    buf_release(&text);
    return e == ERR_OK && *out == NULL ? ERR_MEMORY : e;
}

/* What a policy was trained as (organisation, game, method, networks, algorithm), with the plant of
 * this experiment: a policy may be trained on one plant and evaluated on another, which is no
 * difference to be warned of. */
static struct experiment_cfg in_world_of(const struct experiment_cfg *found,
                                         const struct experiment_cfg *env_setup)
{
    struct experiment_cfg c = *env_setup;
    c.organisation = found->organisation;
    c.game = found->game;
    c.game.horizon = env_setup->game.horizon;
    c.method = found->method;
    c.team = found->team;
    c.mappo = found->mappo;
    c.attacker = found->attacker;
    c.train = found->train;
    return c;
}

/* The experiment's own policy: it is a result, but maybe not that of the file. */
static enum err warn_of_own(const struct recipe *r, const struct experiment_cfg *found,
                            struct arena *arena)
{
    const char *what;
    const struct experiment_cfg own = in_world_of(found, &r->x->cfg);
    TRY(differences(&what, &r->x->cfg, &own, arena));
    if (what[0] != '\0') {
        log_warn(
            "%s was trained otherwise than %s says; it is measured as it is. What differs, file "
            "-> policy: %s",
            r->run, r->config_path, what);
    }
    return ERR_OK;
}

static enum err refuse(const struct recipe *r, const char *what, struct arena *arena)
{
    const struct trained_cfg *c = arm_of(r);
    const char *command = training_command(r, c->training, arena);
    log_error("%s: this policy was not trained as '%s' says, with %s. What differs, declared -> "
              "found: %s. To train it anew there, which moves it aside: %s --restart",
              r->run, label_of(r), c->training, what, command != NULL ? command : "karma train");
    return ERR_MISMATCH;
}

/* The seed is compared by itself, since differences() leaves it aside: it is declared by `seeds`,
 * not by the configuration. */
enum err recipe_check(const struct recipe *r, const struct experiment_cfg *found, uint64_t seed,
                      struct arena *arena)
{
    const struct trained_cfg *c = arm_of(r);
    struct experiment_cfg declared;
    const char *what;
    if (c->training[0] == '\0') {
        return found != NULL && c->n_policies == 0 ? warn_of_own(r, found, arena) : ERR_OK;
    }
    if (found == NULL) {
        return refuse(r, "its configuration is of another version of this program", arena);
    }
    TRY(load_declared(&declared, c, arena));
    TRY(differences(&what, &declared, found, arena));
    if (what[0] == '\0' && c->n_seeds > 0 && c->seeds[r->policy] != seed) {
        what =
            arena_printf(arena, "train.seed: %" PRIu64 " -> %" PRIu64, c->seeds[r->policy], seed);
    }
    TRY(arena_error(arena));
    return what[0] == '\0' ? ERR_OK : refuse(r, what, arena);
}
