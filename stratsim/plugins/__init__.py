"""Finds classes by name (entry points), or in a user's file, and makes objects of them with inline parameters.

- `fifo`: a registered class
- `edf(max_batch=4)`: the same with parameters
- `strait(belief=rls(forgetting=0.98))`: a parameter may itself be such a name; it reaches the class as text
- `triton(repository=deploy/models)`: a value with a slash is a path, and needs no quotes
- `my_policy.py:MyPolicy`: a class in a file

Policies, predictors and device models each have one `Registry`. Nothing is evaluated: parameters are literals or words.

Data is never code: a file is imported only if `allow_code` was given a text that names it. The command line gives it
what the user typed, or wrote in a file of settings; what a profile, a result folder, a sweep's store or a file of
samples names is not among these. Docs: SECURITY.md.

`calls` reads names with parameters, `gate` says which files may be imported, `files` imports them, `entry_points` finds
what is registered, and `registry` makes objects of all that.
"""

from stratsim.plugins.calls import PluginCall, keywords_of
from stratsim.plugins.entry_points import points
from stratsim.plugins.files import code_sha256, function_in_file
from stratsim.plugins.gate import allow_code, allowed_code, call_allowing, check_allowed, code_files, code_in
from stratsim.plugins.registry import Description, Registry

__all__ = ["Description", "PluginCall", "Registry", "function_in_file", "keywords_of", "points"]
__all__ += ["allow_code", "allowed_code", "call_allowing", "check_allowed", "code_files", "code_in", "code_sha256"]
