{"job": {"j": {"group": }}}
