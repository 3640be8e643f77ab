/* A league: populations of defenders and attackers that grow by best responses (policy-space
 * response oracles, PSRO: M. Lanctot et al., "A unified game-theoretic approach to multiagent
 * reinforcement learning", NIPS 2017).
 *
 * The defenders begin with the controllers of eval.controllers, the attackers with one that does
 * nothing. A round:
 *
 *   1. Every pair plays eval.episodes episodes of exploit.world on the simulator. The payoff of a
 *      pair is the mean of the defenders' reward over these episodes; the attacker's is its
 *      opposite.
 *   2. Linear programming solves the matrix game (core/marl/matrix_game.h): a mixture of defenders,
 *      a mixture of attackers, and the value of the game.
 *   3. For each of league.seeds a team is trained against the mixture of attackers, and an attacker
 *      against the mixture of defenders, with the settings of `train`, `mappo`, `team` and
 *      `attacker`, where twin.file says. Of each side the best one is chosen on episodes that were
 *      not played yet, the same in each round.
 *   4. On fresh episodes, others in each round, the gain of the chosen one is measured: what it
 *      earns
 *      against the opponents' mixture, less what its own side's mixture earns there, with a paired
 *      bootstrap interval over the episodes. If the interval lies above 0, it becomes a member.
 *
 * The league ends when neither side gains, or after league.rounds. What is left to gain is then the
 * sum of both gains: the exploitability of the two mixtures, estimated from below, because a
 * trained best response need not be the best one.
 *
 * Episodes, with n = eval.episodes and f = eval.first: f .. f + n - 1 for payoffs, the next n for
 * the choice, the n behind these for the gains of round 1, and so on. Trainings are run directories
 * DIR/round-R/defender-seed-S and attacker-seed-S; an interrupted league finds them, and plays all
 * episodes again. Results depend neither on the number of ranks nor on interruptions.
 */
#ifndef KARMA_JOBS_LEAGUE_H
#define KARMA_JOBS_LEAGUE_H

#include "mpi/comm/comm.h"
#include "mpi/jobs/experiment.h"

struct league_order {
    const char *config_path; /* of the experiment */
    const char *const *sets; /* (n_sets) --set of the command, for the trainings of defenders */
    int n_sets;
    const char *dir;
    bool restart; /* trainings that are there count for nothing, and move aside */
};

/* Collective. Writes DIR/payoffs.csv (a row for each pair and episode), DIR/league.txt, league.md,
 * a figure, and DIR/attackers.yaml (the last mixture of attackers, for a configuration that trains
 * defenders against it), and prints the tables. ERR_STOPPED after SIGUSR1. */
enum err league_run(struct comm *comm, struct experiment *x,
                    const struct league_order *order) WARN_UNUSED;

#endif
