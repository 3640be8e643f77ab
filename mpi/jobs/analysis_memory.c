/* Sums of the arrays of each part, in bytes, each with the most that it may need. Trajectories are
 * measured without holding them. Replays are opened, as the analysis does, since networks and
 * plants decide what they take. See analysis.h. */
#include "mpi/jobs/analysis.h"

#include "core/analysis/goals.h"
#include "core/analysis/role_rules.h"
#include "core/plant/schema.h"
#include "mpi/jobs/analysis_relations.h"
#include "mpi/jobs/analysis_roles.h"
#include "mpi/jobs/relation_files.h"
#include "mpi/jobs/replay_episodes.h"

#include <stdio.h>
#include <string.h>

/* Of all teams: their roles stay for the summary. */
static size_t roles_bytes(const struct analysis_order *o, const struct trajectory_sizes *z)
{
    const size_t of_team =
        analysis_roles_bytes(&o->roles, z->n_trajectories, z->n_steps, z->n_services);
    const size_t rules = role_rules_bytes(z->n_trajectories, z->n_steps, z->n_services);
    return (size_t)z->n_sets * of_team + rules;
}

static int observed_columns(int n_services)
{
    int of_service = 0, of_all = 0;
    for (int f = 0; f < SERVICE_FEATURES; f++) {
        of_service += service_feature_info[f].obs != 0;
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        of_all += global_feature_info[f].obs != 0;
    }
    return n_services * of_service + of_all;
}

/* States and standardised states; regions and actions of each; the sample that is clustered, with
 * the distances for silhouettes; distances of the fit. */
static size_t goals_bytes(const struct trajectory_sizes *z)
{
    const size_t row = (size_t)observed_columns(z->n_services) * sizeof(double);
    const size_t n = (size_t)z->n_episodes * ((size_t)z->n_steps + 1);
    const size_t points = n < GOALS_POINTS ? n : GOALS_POINTS;
    const size_t each = 2 * row + (size_t)z->n_agents + 3 * sizeof(int) + sizeof(double);
    const size_t silhouettes = (size_t)KMEANS_SAMPLE * KMEANS_SAMPLE / 2 * sizeof(double) +
                               (size_t)KMEANS_SAMPLE * GOALS_K_MAX * sizeof(double);
    return n * each + points * (row + 4 * sizeof(double)) + silhouettes +
           (size_t)z->n_trajectories * 8 * sizeof(int);
}

/* The replays of one team: as many as there are controllers, one after the other. */
static enum err replay_bytes(size_t *bytes, const struct analysis_order *o)
{
    const struct eval_cfg *cfg = &o->x->cfg.eval;
    *bytes = 0;
    for (int c = 0; c < cfg->n_controllers; c++) {
        const char *name = controller_label(&cfg->controllers[c]);
        if (!controller_needs(&cfg->controllers[c], CONTROLLER_NEEDS_POLICY) ||
            (o->controller != NULL && strcmp(o->controller, name) != 0)) {
            continue;
        }
        const struct trajectory_set set = {.controller = name};
        struct replay replay;
        struct arena arena;
        arena_init(&arena);
        const enum err e = replay_open(&replay, &arena, &set, o->x);
        *bytes = arena.bytes > *bytes ? arena.bytes : *bytes;
        arena_release(&arena);
        TRY(e);
    }
    return ERR_OK;
}

static void put(size_t *sum, const char *part, size_t bytes)
{
    printf("  %-13s %9.1f MB\n", part, (double)bytes * 1e-6);
    *sum += bytes;
}

enum err analysis_memory_print(const struct analysis_order *o)
{
    struct trajectory_sizes z;
    size_t sum = 0, replays = 0;
    TRY(trajectory_sets_measure(&z, o->runs, o->n_runs, o->controller));
    TRY(o->x != NULL ? replay_bytes(&replays, o) : ERR_OK);
    const int points = z.n_trajectories < o->roles.sample ? z.n_trajectories : o->roles.sample;
    printf("teams: %d; the largest has %d trajectories of at most %d decisions on %d services\n",
           z.n_sets, z.n_trajectories, z.n_steps, z.n_services);
    printf("roles: at most %.0f distances of %d distinct trajectories, %d shuffles\n",
           (double)points * (points - 1) / 2.0, points, 2 * o->roles.shuffles);
    if (o->x != NULL) {
        printf("replays: %d episodes of a team, each played %d times at most\n", z.n_episodes,
               1 + o->replaced * z.n_agents);
    }
    printf("memory of a rank, at most:\n");
    put(&sum, "program", mem_resident());
    put(&sum, "trajectories", z.bytes);
    put(&sum, "roles", roles_bytes(o, &z));
    put(&sum, "goals", goals_bytes(&z));
    put(&sum, "relations", analysis_relations_bytes(&z, o->x != NULL ? o->replaced : 0));
    if (o->x != NULL) {
        put(&sum, "replays", replays);
    }
    printf("  %-13s %9.1f MB\n", "together", (double)sum * 1e-6);
    return ERR_OK;
}
