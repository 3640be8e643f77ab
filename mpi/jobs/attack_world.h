/* Where learned attackers act, and what they may spend: section `exploit` of a configuration.
 *
 * They act in episodes of the scenario exploit.world. Trainings take place where the configuration
 * says (twin.file), measurements on the simulator. The budget is plant.attack_*, or, with
 * exploit.budget, the mean of what that scenario's attack sends, over BUDGET_EPISODES episodes of
 * the TRAIN domain: requests, slow-loris connections and additional CPU / those of the legitimate
 * requests, and crash probability x minutes at the entries.
 */
#ifndef KARMA_JOBS_ATTACK_WORLD_H
#define KARMA_JOBS_ATTACK_WORLD_H

#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"
#include "mpi/train/train_attacker.h"

enum { BUDGET_EPISODES = 200 };

struct attack_world {
    struct experiment *x;
    struct plant_cfg plant;      /* with the budget */
    struct env_setup all, train; /* all scenarios, on the simulator; exploit.world alone, where
                                    attackers are trained */
    int scenario;                /* exploit.world */
    struct attacker_interface attacker;
    struct attacker_source source; /* of the networks of an attacker that plays */
};

/* Local. `what`: the command, for messages. Rank 0 logs the budget. ERR_CONFIG, with file and line,
 * for what such an evaluation cannot have: a shield, a lie, episodes in the twin, the twin of a
 * recording. `w` must stay where it is; x by reference. */
enum err attack_world_init(struct attack_world *w, struct arena *arena, const struct comm *comm,
                           struct experiment *x, const char *what) WARN_UNUSED;

/* What the schedule's scripted attack sends, as a budget would be configured: requests, connections
 * and work in multiples of those of the legitimate requests, crashes as they are. */
struct attack_budget attack_world_scripted(const struct schedule *s, const struct topology *t);

/* "0.544 requests / legitimate, 2.000 crashes": the budget of the attacker's kinds, for a table.
 * "" when out of memory. */
const char *attack_world_budget(const struct attack_world *w, struct arena *arena);

#endif
