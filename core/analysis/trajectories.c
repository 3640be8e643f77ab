/* Two passes over the files: the first finds the sets and counts, the second copies. See
 * trajectories.h.
 *
 * A frame unpacks into an arena that is emptied before the next one, so beside the sets no more
 * than one episode is in memory. Copies hold what the analysis reads and nothing else. */
#include "core/analysis/trajectories.h"

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "core/base/log.h"
#include "core/plant/schema.h"
#include "proto/trajectory_log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS_MAX = 64 };

struct reader {
    struct arena *arena;  /* of the sets */
    struct arena first;   /* names of the sets in the first pass */
    struct arena episode; /* of the frame that is read */
    const char *const *runs;
    const char *only;
    const char *path; /* of the file that is read */
    int run, n_runs;
    bool copies; /* the second pass */
    struct trajectory_set sets[SETS_MAX];
    const char *source[SETS_MAX]; /* the file in which the set was found */
    int n_seen[SETS_MAX];         /* episodes copied */
    int n_steps[SETS_MAX];        /* of the longest episode */
    size_t bytes;
    int n_sets;
    int n_rules; /* episodes of controllers without agents */
};

/* ---- schema ---- */

/* The columns must be those of this program: the rules that come out are read by it. */
static enum err check_columns(const struct reader *r, const struct trajectory_episode *t)
{
    char want[256];
    if (t->n_columns != state_size(t->n_services)) {
        log_error("%s: a state of %d columns; this program has %d for %d services. The file is of "
                  "another version: evaluate anew",
                  r->path, t->n_columns, state_size(t->n_services), t->n_services);
        return ERR_MISMATCH;
    }
    for (int i = 0; i < t->n_columns; i++) {
        const int s = i / SERVICE_FEATURES;
        const char *name = s < t->n_services
                               ? service_feature_info[i % SERVICE_FEATURES].name
                               : global_feature_info[i - t->n_services * SERVICE_FEATURES].name;
        (void)snprintf(want, sizeof want, "%s%s%s", s < t->n_services ? t->services[s] : "",
                       s < t->n_services ? "." : "", name);
        if (strcmp(t->columns[i], want) != 0) {
            log_error("%s: column %d of the state is '%s', in this program '%s'. The file is of "
                      "another version: evaluate anew",
                      r->path, i, t->columns[i], want);
            return ERR_MISMATCH;
        }
    }
    return ERR_OK;
}

/* Name at which two lists differ; NULL: they are equal. */
static const char *difference(const char *const *a, int n_a, const char *const *b, int n_b)
{
    for (int i = 0; i < n_a || i < n_b; i++) {
        if (i >= n_a || i >= n_b || strcmp(a[i], b[i]) != 0) {
            return i < n_b ? b[i] : a[i];
        }
    }
    return NULL;
}

static enum err check_same(const struct reader *r, int k, const struct trajectory_episode *t)
{
    const struct trajectory_set *s = &r->sets[k];
    const char *what = "services";
    const char *name = difference(s->services, s->n_services, t->services, t->n_services);
    if (name == NULL) {
        what = "agents";
        name = difference(s->agents, s->n_agents, t->agents, t->n_agents);
    }
    if (name == NULL && s->organised) {
        what = "roles";
        name = difference(s->roles, s->n_agents, t->roles, t->n_agents);
    }
    if (name == NULL) {
        what = "terms of the reward";
        name = difference(s->terms, s->n_terms, t->terms, t->n_terms);
    }
    if (name == NULL && (s->period_s != t->period_s || s->n_choices != t->n_choices)) {
        what = "decision period and choices";
        name = "a number";
    }
    if (name != NULL) {
        log_error("'%s' in %s and in %s differ in their %s (%s): analyse the runs one by one",
                  s->controller, r->source[k], r->path, what, name);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* ---- sets ---- */

static bool is_organised(const struct trajectory_episode *t)
{
    for (int a = 0; a < t->n_agents; a++) {
        if (t->roles[a][0] != '\0') {
            return true;
        }
    }
    return false;
}

static const char *const *copy_names(struct arena *arena, const char *const *names, int n)
{
    const char **copy = ARENA_NEW(arena, n, const char *);
    for (int i = 0; copy != NULL && i < n; i++) {
        copy[i] = arena_strdup(arena, names[i]);
    }
    return copy;
}

static enum err add_set(struct reader *r, const struct trajectory_episode *t)
{
    struct arena *arena = &r->first;
    if (r->n_sets == SETS_MAX) {
        log_error("%s: more than %d teams; choose one with --controller NAME", r->path, SETS_MAX);
        return ERR_USAGE;
    }
    const bool organised = is_organised(t);
    r->source[r->n_sets] = r->path;
    r->sets[r->n_sets++] = (struct trajectory_set){
        .controller = arena_strdup(arena, t->controller),
        .services = copy_names(arena, t->services, t->n_services),
        .columns = copy_names(arena, t->columns, t->n_columns),
        .agents = copy_names(arena, t->agents, t->n_agents),
        .roles = copy_names(arena, organised ? t->roles : t->agents, t->n_agents),
        .terms = copy_names(arena, t->terms, t->n_terms),
        .period_s = t->period_s,
        .n_services = t->n_services,
        .n_columns = t->n_columns,
        .n_agents = t->n_agents,
        .n_terms = t->n_terms,
        .n_choices = t->n_choices,
        .organised = organised,
    };
    return arena_error(arena);
}

static int find_set(const struct reader *r, const char *controller)
{
    for (int k = 0; k < r->n_sets; k++) {
        if (strcmp(r->sets[k].controller, controller) == 0) {
            return k;
        }
    }
    return -1;
}

/* ---- copies ---- */

static void *copy_of(struct reader *r, const void *from, size_t n, size_t size)
{
    r->bytes += n * size;
    if (!r->copies || from == NULL) {
        return NULL;
    }
    void *to = arena_alloc(r->arena, n, size);
    if (to != NULL) {
        memcpy(to, from, n * size);
    }
    return to;
}

static enum err add_episode(struct reader *r, int k, const struct trajectory_episode *t)
{
    struct trajectory_set *s = &r->sets[k];
    const size_t steps = (size_t)t->n_steps, agents = (size_t)t->n_agents;
    const size_t changes = steps * agents * (size_t)t->n_services;
    struct analysed_episode e = {
        .run = r->run,
        .policy = t->policy,
        .train_seed = t->train_seed,
        .seed = t->seed,
        .cell_digest = t->cell_digest,
        .episode = t->episode,
        .n_steps = t->n_steps,
        .slo_attainment = t->slo_attainment,
        .upper_bound = t->upper_bound,
        .state = copy_of(r, t->state, (steps + 1) * (size_t)t->n_columns, sizeof *t->state),
        .delta = copy_of(r, t->delta, steps * (size_t)t->n_services, sizeof *t->delta),
        .action = copy_of(r, t->action, steps * agents * (size_t)t->n_choices, sizeof *t->action),
        .change = copy_of(r, t->change, changes, sizeof *t->change),
        .free_change = copy_of(r, t->free_change, changes, sizeof *t->free_change),
        .reward = copy_of(r, t->reward, steps * (size_t)t->n_terms, sizeof *t->reward),
    };
    r->bytes += sizeof e;
    if (r->copies) {
        e.scenario = arena_strdup(r->arena, t->scenario);
        e.split = arena_strdup(r->arena, t->split);
        s->episodes[r->n_seen[k]++] = e;
        return arena_error(r->arena);
    }
    s->n_episodes++;
    r->n_steps[k] = t->n_steps > r->n_steps[k] ? t->n_steps : r->n_steps[k];
    return ERR_OK;
}

/* ---- frames ---- */

static enum err take_episode(struct reader *r, const struct trajectory_episode *t)
{
    if (t->n_agents == 0) {
        r->n_rules++;
        return ERR_OK;
    }
    if (r->only != NULL && strcmp(r->only, t->controller) != 0) {
        return ERR_OK;
    }
    if (t->change == NULL || t->roles == NULL) {
        log_error(
            "%s: the changes that each agent of '%s' asked for are not there. Either the file "
            "was recorded by an older version (evaluate anew: karma eval ... --restart), or "
            "the team plays by the interface of another method, which cannot be analysed",
            r->path, t->controller);
        return ERR_VERSION;
    }
    if (t->n_steps == 0) {
        log_error("%s: an episode of '%s' without a decision", r->path, t->controller);
        return ERR_FORMAT;
    }
    int k = find_set(r, t->controller);
    if (k < 0) {
        TRY(check_columns(r, t));
        k = r->n_sets;
        TRY(add_set(r, t));
    } else if (!r->copies) {
        TRY(check_same(r, k, t));
    }
    return add_episode(r, k, t);
}

static enum err take_frame(struct reader *r, const struct frame *f)
{
    struct trajectory_episode t;
    if (f->kind != FRAME_TRAJECTORY_EPISODE) {
        log_error("%s: a frame of kind '%s' where a trajectory of an episode is expected; name the "
                  "directory of an evaluation with eval.trajectories: all",
                  r->path, frame_kind_text(f->kind));
        return ERR_FORMAT;
    }
    if (f->version > CODEC_TRAJECTORY_LOG_VERSION) {
        log_error("%s: trajectories of version %u; this program reads up to %d", r->path,
                  f->version, CODEC_TRAJECTORY_LOG_VERSION);
        return ERR_VERSION;
    }
    arena_init(&r->episode);
    enum err e = codec_get_trajectory(&t, f->payload, f->n, r->path, &r->episode);
    if (e == ERR_OK) {
        e = take_episode(r, &t);
    }
    arena_release(&r->episode);
    return e;
}

static enum err read_frames(struct reader *r, struct frame_file *f)
{
    struct frame frame;
    enum frame_status status;
    for (int n = 0;; n++) {
        TRY(frame_file_next(f, &frame, &status));
        if (status == FRAME_AT_END) {
            return ERR_OK;
        }
        if (status != FRAME_OK) {
            log_error("%s: after %d whole episodes: %s. Run its karma eval again: it keeps what is "
                      "whole and plays the rest",
                      r->path, n, f->reader.why);
            return frame_err(status);
        }
        TRY(take_frame(r, &frame));
    }
}

/* A run is a directory, or the file itself. */
static enum err read_run(struct reader *r, int run)
{
    struct frame_file f;
    struct arena *arena = r->copies ? r->arena : &r->first;
    const char *run_path = r->runs[run];
    r->run = run;
    r->path = file_is_dir(run_path) ? file_join(arena, run_path, "trajectories.bin") : run_path;
    TRY(arena_error(arena));
    if (!file_exists(r->path)) {
        log_error("%s: no trajectories; an evaluation writes them with eval.trajectories: all "
                  "(karma eval CONFIG --set eval.trajectories=all --out %s)",
                  r->path, run_path);
        return ERR_IO;
    }
    TRY(frame_file_open(&f, r->path));
    const enum err e = read_frames(r, &f);
    frame_file_close(&f);
    return e;
}

static enum err read_runs(struct reader *r)
{
    for (int i = 0; i < r->n_runs; i++) {
        TRY(read_run(r, i));
    }
    if (r->n_sets > 0) {
        return ERR_OK;
    }
    if (r->only != NULL) {
        log_error("%s%s: no episode of a team '%s'", r->runs[0], r->n_runs > 1 ? " and others" : "",
                  r->only);
        return ERR_USAGE;
    }
    log_error("%s%s: %d episodes, none of a team: rules have no agents to analyse", r->runs[0],
              r->n_runs > 1 ? " and others" : "", r->n_rules);
    return ERR_USAGE;
}

static void reader_init(struct reader *r, struct arena *arena, const char *const *runs, int n_runs,
                        const char *only)
{
    *r = (struct reader){.arena = arena, .runs = runs, .n_runs = n_runs, .only = only};
    arena_init(&r->first);
}

/* ---- the same episode twice ---- */

static int by_identity(const void *a, const void *b)
{
    const struct analysed_episode *x = *(const struct analysed_episode *const *)a;
    const struct analysed_episode *y = *(const struct analysed_episode *const *)b;
    const uint64_t keys[][2] = {{x->policy, y->policy},
                                {x->train_seed, y->train_seed},
                                {x->seed, y->seed},
                                {x->cell_digest, y->cell_digest},
                                {x->episode, y->episode}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    const int scenario = strcmp(x->scenario, y->scenario);
    return scenario != 0 ? scenario : strcmp(x->split, y->split);
}

/* An episode that counts twice would make every test too sure. */
static enum err refuse_repeats(const struct trajectory_set *s, struct arena *arena)
{
    const struct analysed_episode **sorted =
        ARENA_NEW(arena, s->n_episodes, const struct analysed_episode *);
    TRY(arena_error(arena));
    for (int i = 0; i < s->n_episodes; i++) {
        sorted[i] = &s->episodes[i];
    }
    qsort(sorted, (size_t)s->n_episodes, sizeof(const struct analysed_episode *), by_identity);
    for (int i = 1; i < s->n_episodes; i++) {
        if (by_identity(&sorted[i - 1], &sorted[i]) == 0) {
            log_error(
                "episode %u of scenario '%s' under '%s' stands twice, in %s and %s: name each "
                "evaluation once",
                sorted[i]->episode, sorted[i]->scenario, s->controller, s->runs[sorted[i - 1]->run],
                s->runs[sorted[i]->run]);
            return ERR_MISMATCH;
        }
    }
    return ERR_OK;
}

/* ---- the passes ---- */

/* The sets of the first pass with room for their episodes, names in the arena that stays. */
static enum err make_room(struct reader *r)
{
    struct arena *arena = r->arena;
    const char *const *runs = copy_names(arena, r->runs, r->n_runs);
    for (int k = 0; k < r->n_sets; k++) {
        struct trajectory_set *s = &r->sets[k];
        s->controller = arena_strdup(arena, s->controller);
        s->services = copy_names(arena, s->services, s->n_services);
        s->columns = copy_names(arena, s->columns, s->n_columns);
        s->agents = copy_names(arena, s->agents, s->n_agents);
        s->roles = copy_names(arena, s->roles, s->n_agents);
        s->terms = copy_names(arena, s->terms, s->n_terms);
        s->runs = runs, s->n_runs = r->n_runs;
        s->episodes = ARENA_NEW(arena, s->n_episodes, struct analysed_episode);
        TRY(arena_error(arena));
    }
    return arena_error(arena);
}

static enum err read_sets(struct reader *r)
{
    TRY(read_runs(r));
    TRY(make_room(r));
    r->copies = true;
    TRY(read_runs(r));
    for (int k = 0; k < r->n_sets; k++) {
        if (r->n_seen[k] != r->sets[k].n_episodes) {
            log_error("'%s': a file of trajectories changed while it was read",
                      r->sets[k].controller);
            return ERR_IO;
        }
        struct arena scratch;
        arena_init(&scratch);
        const enum err e = refuse_repeats(&r->sets[k], &scratch);
        arena_release(&scratch);
        TRY(e);
    }
    return ERR_OK;
}

enum err trajectory_sets_read(struct trajectory_set **sets, int *n_sets, struct arena *arena,
                              const char *const *runs, int n_runs, const char *only)
{
    struct reader *r = ARENA_NEW(arena, 1, struct reader);
    TRY(arena_error(arena));
    reader_init(r, arena, runs, n_runs, only);
    const enum err e = read_sets(r);
    arena_release(&r->first);
    TRY(e);
    *sets = r->sets;
    *n_sets = r->n_sets;
    return ERR_OK;
}

static void raise_to(int *most, int v)
{
    *most = v > *most ? v : *most;
}

enum err trajectory_sets_measure(struct trajectory_sizes *out, const char *const *runs, int n_runs,
                                 const char *only)
{
    struct arena arena;
    arena_init(&arena);
    struct reader *r = ARENA_NEW(&arena, 1, struct reader);
    enum err e = arena_error(&arena);
    if (e == ERR_OK) {
        reader_init(r, &arena, runs, n_runs, only);
        e = read_runs(r);
        arena_release(&r->first);
    }
    if (e == ERR_OK) {
        *out = (struct trajectory_sizes){.bytes = r->bytes, .n_sets = r->n_sets};
        for (int k = 0; k < r->n_sets; k++) {
            const struct trajectory_set *set = &r->sets[k];
            raise_to(&out->n_trajectories, trajectory_count(set));
            raise_to(&out->n_episodes, set->n_episodes);
            raise_to(&out->n_steps, r->n_steps[k]);
            raise_to(&out->n_services, set->n_services);
            raise_to(&out->n_agents, set->n_agents);
        }
    }
    arena_release(&arena);
    return e;
}

int trajectory_column(const struct trajectory_set *s, int service, const char *feature)
{
    for (int f = 0; service >= 0 && f < SERVICE_FEATURES; f++) {
        if (strcmp(service_feature_info[f].name, feature) == 0) {
            return state_service_at(service, f);
        }
    }
    for (int f = 0; service < 0 && f < GLOBAL_FEATURES; f++) {
        if (strcmp(global_feature_info[f].name, feature) == 0) {
            return state_global_at(s->n_services, f);
        }
    }
    return -1;
}
