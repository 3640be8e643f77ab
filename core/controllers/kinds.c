/* The registry of methods. It stands alone, so that a program can link one of its own in its place:
 * all others know methods by this array only. */
#include "core/controllers/kinds.h"

const struct cfg_kind *const controller_kinds[] = {CONTROLLER_KINDS(CONTROLLER_ELEMENT) NULL};
