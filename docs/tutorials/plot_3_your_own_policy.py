"""A policy of your own against EDF
================================

A policy decides what the server starts next. Most only need an *order*, and that is one method of ``QueuePolicy``: the
smallest key goes first. Below it is compared with ``edf``, which takes the earliest deadline first. What a scheduler
may know of the hardware, such as how long each model takes alone, is in ``self.profile``.
"""

from stratsim import Priority, QueuePolicy, check_policy, simulate


class ShortestFirst(QueuePolicy):
    """High priority first; within a class, the model with the shortest solo latency."""

    def key(self, request):
        return (request.priority is not Priority.HIGH, self.profile.latency_s(request.model))


# %%
# Does it do what every policy owes? It must serve everything that can be served, decide nothing by looking ahead, and
# give the same answer twice. The conformance suite tries:

check_policy(ShortestFirst)

# %%
# It said nothing, so all is well. Now beside EDF, on the same requests:

runs = simulate("default", "a100-80gb-parvagpu", ["edf", "priority-edf", ShortestFirst], load=1.1, limit=4000)
runs

# %%
# Shortest first loves small models. Who pays?

requests = runs.to_pandas()
violated = 100 * (requests["status"] != "met")
by_model = violated.groupby([requests["model"], requests["policy"]], observed=True).mean().unstack("policy")
axes = by_model.plot.barh(figsize=(6.5, 4), width=0.8)
axes.set(xlabel="Deadlines missed (%)", ylabel="")
axes.figure.tight_layout()

# %%
# From here: :doc:`/how-to/add-a-policy` shows policies that batch, wait, reserve and preempt;
# :doc:`/reference/policy-interface` lists all that a policy may see, and
# :doc:`/how-to/own-policy-in-a-study` takes one to a figure with intervals.
