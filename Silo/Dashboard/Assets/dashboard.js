// The dashboard's script. Pages are whole without it; it keeps them up to date, shows long lists and follows logs. All text goes in as text, never as HTML, except a page's own parts, which the server has encoded.
"use strict";
(() => {
    const every = 2000;
    const banner = document.getElementById("connection");
    let lost = null;

    function connected() {
        if (lost) {
            lost = null;
            banner.hidden = true;
        }
    }

    function disconnected(isLoggedOut) {
        lost ??= new Date();
        banner.replaceChildren();
        if (isLoggedOut) {
            const link = document.createElement("a");
            link.href = "/login?to=" + encodeURIComponent(location.pathname + location.search);
            link.textContent = "Log in again";
            banner.append("The login has ended. ", link);
        } else {
            banner.append("No answer from the controller since " + lost.toISOString().slice(11, 19) + " UTC: what is shown may be out of date. Trying again…");
        }
        banner.hidden = false;
    }

    async function get(address, options) {
        const response = await fetch(address, { credentials: "same-origin", redirect: "manual", cache: "no-store", ...options });
        if (response.type === "opaqueredirect" || response.status === 401) {
            disconnected(true);
            throw new Error("logged out");
        }
        return response;
    }

    const pause = time => new Promise(done => setTimeout(done, time));
    const visible = () => document.hidden
        ? new Promise(done => document.addEventListener("visibilitychange", done, { once: true }))
        : Promise.resolve();

    // ---- parts of the page that change ----

    function renew(before, after) {
        if (before.innerHTML === after.innerHTML) {
            return;
        }
        const selection = getSelection();
        if (selection && !selection.isCollapsed && before.contains(selection.anchorNode)) {
            return;
        }
        const active = before.contains(document.activeElement) ? document.activeElement : null;
        const focused = active && (active.id ? "#" + CSS.escape(active.id) : active.getAttribute("href") ? "a[href=\"" + CSS.escape(active.getAttribute("href")) + "\"]" : null);
        before.replaceChildren(...after.cloneNode(true).childNodes);
        if (focused) {
            before.querySelector(focused)?.focus({ preventScroll: true });
        }
    }

    async function refresh() {
        for (;;) {
            await pause(every);
            await visible();
            try {
                const address = new URL(location.href);
                address.searchParams.delete("done");
                const response = await get(address);
                if (!response.ok) {
                    disconnected(false);
                    continue;
                }
                const page = new DOMParser().parseFromString(await response.text(), "text/html");
                for (const part of document.querySelectorAll("[data-live]")) {
                    const now = page.getElementById(part.id);
                    if (now) {
                        renew(part, now);
                    }
                }
                connected();
            } catch (e) {
                if (e.message !== "logged out") {
                    disconnected(false);
                }
            }
        }
    }

    // ---- the list of backends ----

    const states = {
        ready: "is-ready", terminated: "is-ended", terminating: "is-ending", "hard-terminating": "is-ending",
    };
    const most = 20000;

    function element(tag, className, text) {
        const made = document.createElement(tag);
        made.className = className;
        made.textContent = text;
        return made;
    }

    const moment = time => new Date(time).toISOString().replace("T", " ").slice(0, 19) + "Z";
    const keyOf = key => key.namespace ? key.namespace + "/" + key.name : key.name;

    class Backends {
        constructor(box) {
            this.box = box;
            this.rows = [];
            this.byId = new Map();
            this.shown = [];
            this.more = false;
        }

        async start() {
            const query = new URLSearchParams({ status: this.box.dataset.status, key: this.box.dataset.key, cluster: this.box.dataset.cluster, drone: this.box.dataset.drone, service: this.box.dataset.service });
            this.after = (await (await get("/data/events")).json()).next;
            let cursor = null;
            do {
                if (cursor) {
                    query.set("cursor", cursor);
                }
                const page = await (await get("/data/backends?" + query)).json();
                page.backends.forEach(b => this.put(b, false));
                cursor = page.next_cursor;
                if (!this.view) {
                    this.build();
                }
                this.filter();
            } while (cursor && this.rows.length < most);
            this.more = Boolean(cursor);
            this.filter();
            this.follow();
        }

        put(backend, isNew) {
            const known = this.byId.get(backend.backend_id);
            const row = known ?? {};
            Object.assign(row, {
                id: backend.backend_id, status: backend.status, key: keyOf(backend.key), drone: backend.drone, cluster: backend.cluster, created: backend.created_at,
            });
            row.text = (row.id + " " + row.status + " " + row.key + " " + row.drone + " " + row.cluster).toLowerCase();
            if (!known) {
                this.byId.set(row.id, row);
                isNew ? this.rows.unshift(row) : this.rows.push(row);
            }
        }

        build() {
            this.quick = document.getElementById("quick");
            this.count = document.getElementById("count");
            this.field = document.getElementById("quick-text");
            const grid = element("div", "grid", "");
            grid.setAttribute("role", "table");
            grid.setAttribute("aria-label", "Backends, newest first");
            const head = element("div", "grid-head", "");
            head.setAttribute("role", "row");
            for (const [name, far] of [["Backend", ""], ["State", ""], ["Key", ""], ["Drone", "far"], ["Cluster", "far"], ["Created", "far"]]) {
                const cell = element("span", far, name);
                cell.setAttribute("role", "columnheader");
                head.append(cell);
            }
            this.view = element("div", "grid-view", "");
            this.view.setAttribute("role", "rowgroup");
            this.view.tabIndex = 0;
            this.view.setAttribute("aria-label", "Rows");
            this.space = element("div", "grid-space", "");
            this.space.setAttribute("role", "presentation");
            this.view.append(head, this.space);
            grid.append(this.view);
            this.grid = grid;
            for (const old of this.box.querySelectorAll("table, .more, .empty")) {
                old.remove();
            }
            this.box.append(grid);
            this.empty = element("p", "empty", "No backend is like that.");
            this.box.append(this.empty);
            this.quick.hidden = false;
            this.field.addEventListener("input", () => this.filter());
            this.view.addEventListener("scroll", () => this.draw(), { passive: true });
            addEventListener("resize", () => this.draw());
        }

        filter() {
            const words = this.field.value.toLowerCase().split(/\s+/).filter(Boolean);
            this.shown = words.length === 0 ? this.rows : this.rows.filter(r => words.every(w => r.text.includes(w)));
            this.count.textContent = (this.shown.length === this.rows.length ? "" : this.shown.length + " of ") + this.rows.length + (this.rows.length === 1 ? " backend" : " backends")
                + (this.more ? " (the newest; narrow the list by key, cluster or drone for others)" : "");
            this.empty.hidden = this.shown.length > 0;
            this.grid.setAttribute("aria-rowcount", this.shown.length + 1);
            this.draw();
        }

        draw() {
            const height = parseFloat(getComputedStyle(document.documentElement).fontSize) * 2.5;
            this.space.style.height = this.shown.length * height + "px";
            const first = Math.max(0, Math.floor(this.view.scrollTop / height) - 8);
            const last = Math.min(this.shown.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / height) + 8);
            const focused = this.view.contains(document.activeElement) ? document.activeElement.dataset.id : null;
            const rows = [];
            for (let i = first; i < last; i++) {
                const row = this.draw1(this.shown[i], i);
                row.style.top = i * height + "px";
                rows.push(row);
            }
            this.space.replaceChildren(...rows);
            if (focused) {
                this.view.querySelector("[data-id=\"" + CSS.escape(focused) + "\"]")?.focus({ preventScroll: true });
            }
        }

        draw1(data, index) {
            const row = element("div", "grid-row", "");
            row.setAttribute("role", "row");
            row.setAttribute("aria-rowindex", index + 2);
            const cell = content => {
                const made = element("span", "", "");
                made.setAttribute("role", "cell");
                made.append(content);
                row.append(made);
                return made;
            };
            const link = element("a", "name", data.id);
            link.href = "/backends/" + data.id;
            link.dataset.id = data.id;
            cell(link);
            cell(element("span", "status " + (states[data.status] ?? "is-starting"), data.status));
            cell(data.key).title = data.key;
            cell(data.drone).className = "far";
            cell(data.cluster).className = "far";
            cell(moment(data.created)).className = "far time";
            return row;
        }

        wanted(happened) {
            const d = this.box.dataset;
            return (!d.key || happened.key?.name === d.key) && (!d.cluster || happened.cluster === d.cluster) && (!d.drone || happened.drone === d.drone)
                && (!d.service || happened.service === d.service);
        }

        async follow() {
            for (;;) {
                await pause(every);
                await visible();
                try {
                    const page = await (await get("/data/events?after=" + this.after)).json();
                    let changed = false;
                    for (const happened of page.events) {
                        if (happened.kind !== "backend" || !happened.key) {
                            continue;
                        }
                        const known = this.byId.get(happened.backend_id);
                        const fits = this.box.dataset.status === "all" || this.box.dataset.status === happened.status
                            || (this.box.dataset.status === "live" && happened.status !== "terminated");
                        if (known && !fits) {
                            this.byId.delete(known.id);
                            this.rows = this.rows.filter(r => r !== known);
                            changed = true;
                        } else if (known || (fits && this.wanted(happened))) {
                            this.put({ ...happened, created_at: known?.created ?? happened.time }, true);
                            changed = true;
                        }
                    }
                    this.after = page.next;
                    if (changed) {
                        this.filter();
                    }
                    connected();
                } catch (e) {
                    if (e.message !== "logged out") {
                        disconnected(false);
                    }
                }
            }
        }
    }

    // ---- the log of a backend ----

    const logLines = 2000;
    const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\u0007\\]*(?:\u0007|\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

    async function followLog(log) {
        const state = document.getElementById("log-state");
        let after = null;
        let failures = 0;
        function add(text, className) {
            const bottom = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
            log.append(element("span", className, text + "\n"));
            while (log.childElementCount > logLines) {
                log.firstElementChild.remove();
            }
            if (bottom) {
                log.scrollTop = log.scrollHeight;
            }
        }
        function take(line) {
            const item = JSON.parse(line);
            if (item.problem) {
                state.textContent = item.problem;
                return;
            }
            if (item.dropped) {
                add(item.dropped < 0 ? "(lines were dropped here)" : "(" + item.dropped + " lines were dropped here: this page was too slow for them)", "dropped");
            }
            after = item.position;
            add(item.text.replace(escapes, "") + (item.cut ? " (cut)" : ""), item.stream === "stderr" ? "stderr" : "");
        }
        state.textContent = "Reading…";
        for (;;) {
            let isWhole = false;
            try {
                const response = await get("/data/logs/" + log.dataset.backend + (after === null ? "" : "?after=" + after), { headers: { Accept: "application/x-ndjson" } });
                if (response.status === 404) {
                    state.textContent = "There is no output: it never ran, or what it wrote was removed.";
                    return;
                }
                if (!response.ok) {
                    state.textContent = (await response.json()).message + ". Trying again…";
                } else {
                    state.textContent = "Live";
                    failures = 0;
                    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
                    let rest = "";
                    for (;;) {
                        const { value, done } = await reader.read();
                        if (done) {
                            isWhole = true;
                            break;
                        }
                        const lines = (rest + value).split("\n");
                        rest = lines.pop();
                        lines.filter(Boolean).forEach(take);
                    }
                }
            } catch (e) {
                if (e.message === "logged out") {
                    return;
                }
                state.textContent = "The log broke off. Trying again…";
            }
            if (isWhole) {
                state.textContent = log.childElementCount > 0 ? "This is all that it wrote." : "It wrote nothing.";
                return;
            }
            failures++;
            await pause(Math.min(5000, 500 * failures));
        }
    }

    // ---- start ----

    if (document.body.dataset.refresh === "true") {
        refresh();
    }
    const list = document.getElementById("backends");
    if (list) {
        new Backends(list).start().catch(e => e.message === "logged out" || disconnected(false));
    }
    const log = document.getElementById("log");
    if (log) {
        followLog(log);
    }
})();
