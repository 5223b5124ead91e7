# Installation as a distribution lays things out. Everything under systemd/ already lies as on disk; the rest is
# the programs, and what they say about themselves (man pages, completions).
#
#   make install [DESTDIR=...] [PREFIX=/usr] [PROFILE=release]
#   make uninstall [DESTDIR=...]
#
# After an installation on a running system: `make install-activate` creates the users and directories and
# tells systemd and the bus. A package does the same in its scripts.

PREFIX      ?= /usr
DESTDIR     ?=
PROFILE     ?= release
CARGO       ?= cargo
CARGO_TARGET_DIR ?= target
BINARIES    := $(CARGO_TARGET_DIR)/$(PROFILE)
# What people type, with completions and pages in section 1; the daemons' are in section 8.
COMMANDS    := cpectl policy-simulate
DAEMONS     := cpe dpe cpe-agent cpe-fence cpe-notify cpe-gateway
PROGRAMS    := $(DAEMONS) $(COMMANDS)
# Pages about files and words: those of agent.conf and of sinks are written by their programs, the others by `manual`.
FILE_PAGES  := cpe.toml cpe-access cpe-agent.conf cpe-deployment cpe-gateway.toml cpe-sinks
WORD_PAGES  := cpe-errors cpe-events cpe-rest cpe-states

bindir      := $(DESTDIR)$(PREFIX)/bin
mandir      := $(DESTDIR)$(PREFIX)/share/man
docdir      := $(DESTDIR)$(PREFIX)/share/doc/cpe
busdir      := $(DESTDIR)$(PREFIX)/share/dbus-1/interfaces
bashdir     := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir      := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir     := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

# Documents keep their folders, so that links between them lead to their targets. Those to what is not installed lead to the repository.
SOURCES     := https://github.com/cloudpolicy/cloud-policy-engine/blob/main
OUTSIDE     := -e 's,\]\((\.\./)*(crates|tests|systemd|mk|\.ci)([/)\#]),]($(SOURCES)/\2\3,g' \
               -e 's,\]\((\.\./)*(LICENSE|CHANGELOG\.md|CODE_OF_CONDUCT\.md|CONTRIBUTING\.md|SECURITY\.md)([)\#]),]($(SOURCES)/\2\3,g'

# Files of systemd/ with the mode they get; the units name /usr/bin, which install rewrites for another PREFIX.
UNIT_FILES  := $(shell cd systemd && find usr etc -type f)

.PHONY: install install-programs install-files install-texts install-activate uninstall

install: install-programs install-files install-texts ## put everything in place (DESTDIR=, PREFIX=, PROFILE=)

install-programs:
	install -d $(bindir)
	for p in $(PROGRAMS); do install -m 0755 $(BINARIES)/$$p $(bindir)/$$p || exit 1; done

install-files:
	for f in $(UNIT_FILES); do \
	  case $$f in usr/*) to=$(DESTDIR)$(PREFIX)/$${f#usr/};; *) to=$(DESTDIR)/$$f;; esac; \
	  case $$f in etc/*) [ ! -e "$$to" ] || { echo "kept: $$to"; continue; };; esac; \
	  install -D -m 0644 systemd/$$f "$$to" || exit 1; \
	  [ "$(PREFIX)" = /usr ] || sed -i 's,/usr/\(bin\|lib/cpe-agent\)/,$(PREFIX)/\1/,g' "$$to" || exit 1; \
	done
	install -d $(busdir) $(docdir)
	for f in docs/bus/*.xml; do [ ! -e $$f ] || install -m 0644 $$f $(busdir)/ || exit 1; done
	install -D -m 0644 docs/deployment.rng $(DESTDIR)$(PREFIX)/share/cpe/deployment.rng
	install -D -m 0644 docs/openapi.json $(DESTDIR)$(PREFIX)/share/cpe/openapi.json
	for f in README.md LICENSE; do install -m 0644 $$f $(docdir)/ || exit 1; done
	rm -rf $(docdir)/docs $(docdir)/examples
	cp -R docs examples $(docdir)/
	for f in deployment.rng openapi.json; do ln -sf ../../../cpe/$$f $(docdir)/docs/$$f || exit 1; done
	for f in docs/bus/*.xml; do ln -sf ../../../../dbus-1/interfaces/$$(basename $$f) $(docdir)/$$f || exit 1; done
	find $(docdir) -name '*.md' -exec sed -E -i $(OUTSIDE) {} +

# Each program writes its own man pages and completions, so that they cannot disagree with its options.
install-texts:
	install -d $(mandir)/man1 $(mandir)/man5 $(mandir)/man7 $(mandir)/man8 $(bashdir) $(zshdir) $(fishdir)
	$(BINARIES)/cpectl man $(mandir)/man1
	for p in $(DAEMONS); do $(BINARIES)/$$p man $(mandir)/man8 || exit 1; done
	$(BINARIES)/cpe-notify man-sinks $(mandir)/man5
	$(BINARIES)/cpe-agent man-conf $(mandir)/man5
	$(BINARIES)/manual $(mandir)
	$(BINARIES)/policy-simulate manual > $(mandir)/man1/policy-simulate.1
	for p in $(COMMANDS); do \
	  $(BINARIES)/$$p completions bash > $(bashdir)/$$p && \
	  $(BINARIES)/$$p completions zsh > $(zshdir)/_$$p && \
	  $(BINARIES)/$$p completions fish > $(fishdir)/$$p.fish || exit 1; \
	done

install-activate: ## create users and folders, enable and start cpe
	systemd-sysusers $(PREFIX)/lib/sysusers.d/cpe.conf
	systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/cpe.conf
	systemctl daemon-reload
	systemctl reload dbus.service
	systemctl enable --now cpe-pki-renew.timer cpe.service cpe-notify.service

# Takes away what install put there; never the state under /var/lib or the configuration under /etc.
uninstall: ## take away what install put there
	for p in $(PROGRAMS); do rm -f $(bindir)/$$p; done
	for f in $(filter usr/%,$(UNIT_FILES)); do rm -f $(DESTDIR)$(PREFIX)/$${f#usr/}; done
	for p in $(COMMANDS); do rm -f $(mandir)/man1/$$p.1 $(mandir)/man1/$$p-*.1 $(bashdir)/$$p $(zshdir)/_$$p $(fishdir)/$$p.fish; done
	for p in $(DAEMONS); do rm -f $(mandir)/man8/$$p.8; done
	for p in $(FILE_PAGES); do rm -f $(mandir)/man5/$$p.5; done
	for p in $(WORD_PAGES); do rm -f $(mandir)/man7/$$p.7; done
	for f in docs/bus/*.xml; do rm -f $(busdir)/$${f##*/}; done
	rm -rf $(docdir) $(DESTDIR)$(PREFIX)/share/cpe $(DESTDIR)$(PREFIX)/lib/cpe-agent
