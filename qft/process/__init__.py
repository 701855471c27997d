"""What a process owes the machine and the processes beside it, each written once.

``signals``: being told to stop. ``locks``: one process at a time. ``files``: writes that are whole and survive a power
cut, and that follow no links. ``memory``: how much was used and how much is free. Import the module you need; this
package imports none of them, since ``signals`` must be listening before anything else is loaded.
"""
