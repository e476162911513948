// Adds our entry to the navigation bar of VisualDL's pages.
(() => {
    'use strict';
    const target = new URL('../', document.currentScript.src).pathname;
    const names = { en: 'Embeddings', zh: '嵌入演化' };

    // VisualDL's pages store a chosen language in localStorage, which has priority over the cookie.
    const language = () => {
        const kept = localStorage.getItem('vdlLng');
        const cookie = /(?:^|;\s*)vdl_lng=(\w+)/.exec(document.cookie);
        const chosen = kept in names ? kept : cookie && cookie[1];
        return chosen in names ? chosen : 'en';
    };

    const entry = document.createElement('div');
    const link = document.createElement('a');
    const text = document.createElement('span');
    link.className = 'nav-link';
    link.href = target;
    text.className = 'nav-text';
    entry.append(link);
    link.append(text);

    const place = () => {
        const bar = document.querySelector('header nav .left');
        const siblings = bar && [...bar.querySelectorAll(':scope > div')].filter(other => other !== entry);
        if (!siblings || !siblings.length) {
            return;
        }
        const chosen = language();
        if (text.textContent !== names[chosen]) {
            text.textContent = names[chosen];
            // Our page reads the cookie.
            document.cookie = `vdl_lng=${chosen};path=/;samesite=strict`;
        }
        // Class of inactive entries, which is the most frequent one.
        const classes = siblings.map(other => other.className);
        const count = name => classes.filter(other => other === name).length;
        const usual = classes.reduce((best, name) => (count(name) > count(best) ? name : best));
        if (entry.className !== usual) {
            entry.className = usual;
        }
        text.style.borderBottomColor = 'transparent';
        if (bar.lastElementChild !== entry) {
            bar.append(entry);
        }
    };

    new MutationObserver(place).observe(document.documentElement, { childList: true, subtree: true, characterData: true });
    document.addEventListener('DOMContentLoaded', place);
    place();
})();
